"""What is measured, and worked out, of grids that do not fit on one machine."""

import json
import sys
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Thread
from types import SimpleNamespace

import pandas as pd
import pytest
from nets import tiny

from benchmarks import plan, scaling, store
from fineprune.errors import TrackingError
from fineprune.files import save_model
from fineprune.launchers.job import THREADS
from fineprune.report import records
from fineprune.tracking import MlflowTracking


@pytest.mark.slow
def test_every_run_that_is_measured_is_in_the_store(tmp_path: Path) -> None:
    (tmp_path / "original").mkdir()
    (tmp_path / "original" / "performance.csv").write_text("step\n")
    save_model(tiny(), tmp_path / "original" / "pruned.h5")
    record = records.Record("0" * 32, "mine", 1, {}, {}, files=["performance.csv"], nets={"pruned.h5": 0})
    records.write(record, tmp_path / "original")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client, experiment = MlflowTracking(store.EXPERIMENT, uri).open()
    folders = [store.copied(tmp_path / "original", tmp_path / str(number)) for number in range(5)]
    measured = store.measure(uri, folders, writers=2)
    assert measured["refused"] == 0 and measured["runs_per_second"] > 0
    assert [run.info.status for run in client.search_runs([experiment])] == ["FINISHED"] * 5


def test_a_writer_whose_store_cannot_be_opened_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: MlflowTracking) -> None:
        raise TrackingError("no room")

    monkeypatch.setattr(MlflowTracking, "open", refuse)
    begin, waited = Barrier(2, timeout=10), list[bool]()

    def other() -> None:
        try:
            begin.wait()
            waited.append(True)
        except BrokenBarrierError:
            waited.append(False)

    (waiting := Thread(target=other)).start()
    with pytest.raises(TrackingError, match="no room"):
        store.write(f"sqlite:///{tmp_path}/mlflow.db", [], begin)
    waiting.join()
    assert waited == [True]


def test_a_launcher_whose_jobs_fail_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    class Done:
        stdout, stderr = "grid mine: 1 finished, 1 failed\n", "error: no room"

    monkeypatch.setattr("benchmarks.scaling.subprocess.run", lambda *_, **__: Done())
    with pytest.raises(SystemExit, match="(?s)expected 2 finished jobs by ray, got: .*no room"):
        scaling.seconds("ray", 2, [])
    Done.stdout = "grid mine: 2 finished, 0 failed\n"
    clock = iter([10.0, 14.5])
    monkeypatch.setattr("benchmarks.scaling.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    assert scaling.seconds("ray", 2, []) == 4.5


def test_a_plan_adds_up(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # Two methods of 100 and 200 passes, measured by two passes over five times the images: 36 networks take 36 hours of
    # training, and 36 · (10 + 20 + 2 · (1 + 0.5)) of sweeping.
    monkeypatch.setattr(plan, "passes", lambda: pd.Series({"a": 100.0, "b": 200.0}))
    monkeypatch.setattr(plan, "error", dict)
    asked = "--data faces:360:3600:5 --methods a b --attacks 9 --seeds 4 --rest 1800 --nodes 2 1000 --cores 10"
    monkeypatch.setattr(
        sys, "argv", ["plan", *asked.split(), "--price", "0.5", "--efficiency", "1", "--store", "0.001"]
    )
    plan.main()
    assert json.loads(capsys.readouterr().out) == {
        "error_of_passes": {},
        "core_hours": {"training": 36, "sweeping": 36 * 33, "runs": 72},
        "nodes_2": {"hours": 61.2, "price": 62, "runs_per_second": 0.0},
        "nodes_1000": {"hours": 22.5, "price": 11250, "runs_per_second": 0.0},
    }


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("--data a:1:2:3 --methods anp nonsense", "expected --methods of the study, got 'nonsense': take some of "),
        ("--data a:1:2", "expected NAME:PASS:TRAINING:MEASURED, got 'a:1:2'"),
        ("--data a:1:2:x", "expected NAME:PASS:TRAINING:MEASURED, got 'a:1:2:x'"),
        ("--forward resnet:8", "expected NAME:HEIGHT:WIDTH:CLASSES, got 'resnet:8'"),
        ("--forward nonsense:8:8:2", "'nonsense'"),
        ("--forward wrn_17_1:8:8:2", "17"),
    ],
)
def test_a_mistake_in_a_plan_is_said(
    asked: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in THREADS:  # which it sets
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(sys, "argv", ["plan", *asked.split()])
    with pytest.raises(SystemExit) as ended:
        plan.main()
    assert ended.value.code == 2 and said in capsys.readouterr().err


def test_passes_foretell_what_methods_take_within_a_factor_of_two() -> None:
    factors = plan.error()
    assert 0.5 < factors["least"] < 1 < factors["most"] < 2
