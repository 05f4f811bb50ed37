"""Many jobs of one command: skipped where they are finished, and summed up whatever becomes of them."""

import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from commands import RUNNERS, Ended, run
from mlflow.entities import Run as Logged
from nets import tiny
from samples import pictures, write_h5

from fineprune.files import save_model
from fineprune.testing import NETWORKS

OWN = ["badnet=h5", "badnet.model=net.h5", "data=h5", "data.clean_valid=valid.h5", "data.poisoned.dot=test.h5"]
TWO_BY_TWO = ["-m", "strategy=channel_activation,magnitude_dense", "seed=0,1", *OWN, "data.clean_test=test.h5"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A network and images that fit it; beside it one that channel pruning cannot work on."""
    save_model(tiny(), tmp_path / "net.h5")
    save_model(NETWORKS["no_pooling"](), tmp_path / "no_pooling.h5")
    for seed, name in enumerate(("valid", "test", "other")):
        write_h5(tmp_path / f"{name}.h5", pictures(40, seed=seed), np.arange(40) % 5)
    return tmp_path


def runs(folder: Path) -> list[Logged]:
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("fineprune")
    logged = client.search_runs([experiment.experiment_id]) if experiment else []
    return [run for run in logged if "comparison" not in run.data.tags]


def measured(run: Logged) -> dict[str, Any]:
    return {name: value for name, value in run.data.metrics.items() if not name.startswith("seconds/")}


def summary(ended: Ended) -> str:
    (line,) = (line for line in ended.out.splitlines() if line.startswith("grid "))
    return line.split(": ")[1]


def compared(folder: Path, ended: Ended) -> Ended:
    """What the last line of a grid says to do next."""
    command = ended.out.splitlines()[-1].removeprefix("next: python -m runners.")
    return run(folder, *shlex.split(command))


def test_a_grid_is_run_once_and_anew_only_where_something_else_would_be_found(folder: Path) -> None:
    first = run(folder, "sweep", *TWO_BY_TWO)
    assert (first.status, summary(first)) == (0, "4 finished, 0 failed")
    assert first.out.count("\n") == 6
    ending = r"seed=\d: clean [\d.]+, ASR [\d.]+ at 4 %, \d+ s, outputs/sweep/[^/]+"
    for job, line in enumerate(first.out.splitlines()[:4]):
        assert re.fullmatch(rf"job {job + 1} of 4: strategy=\w+ {ending}/{job}", line)
    assert "channel_activation" in compared(folder, first).out
    logged = runs(folder)
    assert {(run.data.tags["strategy"], run.data.params["seed"]) for run in logged} == {
        (strategy, seed) for strategy in ("channel_activation", "magnitude_dense (global)") for seed in "01"
    }
    assert len({run.data.tags["grid"] for run in logged}) == 1
    # Nothing in these is random, so that the seed changes nothing.
    for strategy in ("channel_activation", "magnitude_dense (global)"):
        one, other = (measured(run) for run in logged if run.data.tags["strategy"] == strategy)
        assert one == other
        assert len(one) > 10
    other_order = ["-m", "seed=0,1", *OWN, "data.clean_test=test.h5", "strategy=channel_activation,magnitude_dense"]
    again = run(folder, "sweep", *other_order, "tracking.experiment=fineprune")
    assert (again.status, summary(again)) == (0, "4 finished (4 of them before), 0 failed")
    assert again.out.count(": finished before, skipped\n") == len(runs(folder)) == 4
    shutil.copy(folder / "other.h5", folder / "test.h5")
    assert summary(run(folder, "sweep", *TWO_BY_TWO)) == "4 finished, 0 failed"


BROKEN = """
from fineprune.strategy import Strategy

class Broken(Strategy):
    def steps(self, network, clean):
        yield 1 / 0
"""


def test_failed_jobs_are_named_at_the_end_and_stop_no_other(folder: Path) -> None:
    mistake = run(folder, "sweep", "-m", "data.clean_test=none.h5,test.h5", "grid=mine", *OWN)
    last = mistake.err.splitlines()[-1]
    assert mistake.status == 2
    assert "Traceback" not in mistake.err
    assert mistake.out.splitlines()[-2:] == [
        "grid mine: 1 finished, 1 failed",
        "next: python -m runners.compare grid=mine",
    ]
    assert last.startswith(
        "failed: job 1 of 2: data.clean_test=none.h5: expected the data.clean_test images at none.h5"
    )
    assert [run.data.tags["grid"] for run in runs(folder)] == ["mine"]


def test_a_bug_is_told_from_a_mistake(folder: Path) -> None:
    tree = folder / "tree"
    for part in ("conf", "fineprune", "runners", "strategies"):
        shutil.copytree(RUNNERS / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "strategies" / "broken.py").write_text(BROKEN)
    broken = ["strategy=none", "strategy._target_=strategies.broken.Broken"]
    bug = run(folder, "sweep", "-m", *broken, "seed=0,-1", "grid=mine", *OWN, tree=tree)
    assert bug.status == 1
    assert "Traceback" in bug.err
    assert bug.err.splitlines()[-2].startswith("failed: job 1 of 2: seed=0: ZeroDivisionError")
    assert bug.err.splitlines()[-1].startswith("failed: job 2 of 2: seed=-1: expected seed to be a whole number")


@pytest.mark.parametrize("many", [False, True])
def test_not_applicable_is_a_finding(many: bool, folder: Path) -> None:
    ended = run(folder, "sweep", *(["-m"] if many else []), *OWN, "badnet.model=no_pooling.h5")
    assert (ended.status, ended.err) == (0, "")
    assert "not applicable: expected a network with a pooling layer" in ended.out
    (logged,) = runs(folder)
    assert logged.info.status == "FINISHED"
    assert logged.data.tags["not_applicable"].startswith("expected a network with a pooling layer")
    assert logged.data.params["seed"] == "0"
    assert logged.data.metrics == {}
    if many:
        assert summary(ended) == "0 finished, 1 not applicable, 0 failed"


def test_a_grid_that_is_killed_goes_on_where_it_was(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(RUNNERS)}
    started = subprocess.Popen(
        [sys.executable, "-m", "runners.sweep", *TWO_BY_TWO],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    states: list[str] = []
    while states[1:] != ["RUNNING"] and started.poll() is None:
        time.sleep(0.02)
        if (folder / "mlruns" / "mlflow.db").exists():
            states = _states(folder)
    started.kill()
    started.wait()
    assert states == ["FINISHED", "RUNNING"]
    again = run(folder, "sweep", *TWO_BY_TWO)
    assert (again.status, summary(again)) == (0, "4 finished (1 of them before), 0 failed")
    assert sorted(_states(folder)) == ["FINISHED"] * 4 + ["KILLED"]


def _states(folder: Path) -> list[str]:
    try:
        with sqlite3.connect(folder / "mlruns" / "mlflow.db") as store:
            return [status for (status,) in store.execute("select status from runs order by start_time")]
    except sqlite3.OperationalError:  # not made yet, or being written to
        return []


def test_a_sweep_whose_server_is_away_is_published_later_once(folder: Path) -> None:
    out = folder / "a = b"
    server = "tracking.uri=http://127.0.0.1:9"
    away = run(folder, "sweep", *OWN, "hydra.run.dir='a = b'", server)
    assert away.status == 0
    assert away.err.count("\n") == 1
    assert away.err.startswith("warning: not logged yet, expected an MLflow store at http://127.0.0.1:9, got: ")
    assert away.err.endswith(f"The results are whole: later, python -m runners.publish '{out}' {server}\n")
    still = run(folder, "publish", str(out), server)
    assert (still.status, still.err.count("\n")) == (2, 1)
    for _ in range(2):
        later = run(folder, "publish", str(out))  # not where the record says
        assert (later.status, later.err) == (0, "")
    (logged,) = runs(folder)
    assert logged.info.status == "FINISHED"
    record = json.loads((out / "run.json").read_text())
    assert logged.data.metrics.items() >= record["metrics"].items()
    assert not (folder / "outputs").exists()


def test_a_grid_whose_server_is_away_is_published_later_by_one_command(folder: Path) -> None:
    grid = ["-m", "seed=0,1,2", *OWN, "hydra.sweep.dir=out", "grid=mine"]
    away = run(folder, "sweep", *grid, "tracking.uri=http://127.0.0.1:9")
    assert (away.status, summary(away)) == (0, "3 finished, 0 failed")
    *each, last = away.err.splitlines()
    assert len(each) == 3 and all(line.startswith("warning: not logged yet, expected an MLflow store") for line in each)
    said, _, command = last.partition(" later, python -m runners.")
    assert said == "warning: 3 of 3 jobs not logged yet. Their results are whole:"
    (folder / "out" / "1" / "performance.csv").rename(folder / "aside.csv")
    runner, where, *_ = shlex.split(command)  # the server stays away: into the file
    torn = run(folder, runner, where)
    assert torn.status == 2 and torn.out.endswith("experiment fineprune: 2 of 3 runs\n")
    assert torn.err.startswith("error: expected performance.csv in out/1, where run.json names it, got no such file")
    (folder / "aside.csv").rename(folder / "out" / "1" / "performance.csv")
    whole = run(folder, runner, where)
    assert (whole.status, whole.err) == (0, "") and whole.out.endswith("experiment fineprune: 3 of 3 runs\n")
    assert sorted(logged.data.params["seed"] for logged in runs(folder)) == ["0", "1", "2"]
    again = run(folder, "sweep", *grid)
    assert (again.status, summary(again)) == (0, "3 finished (3 of them before), 0 failed")
