"""What a sweep leaves in MLflow, also when it fails, and when several start at once."""

import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Run as Logged
from samples import pictures, split

from fineprune.errors import ConfigError, FinepruneError
from fineprune.tracking import MlflowTracking, NoTracking

PARAMS = {"seed": 0, "data.name": "faces", "budgets": [0.02, 0.1], "data.clean_test": None}
TABLE = pd.DataFrame(
    {"step": [0, 1, 2], "fraction_pruned": [0.0, 0.5, 1.0], "glasses/pruned_asr": [0.9, 0.25, 0.0]},
)


@pytest.fixture
def tracking(tmp_path: Path) -> MlflowTracking:
    return MlflowTracking("trial", f"sqlite:///{tmp_path}/log/mlflow.db")


def runs(tracking: MlflowTracking) -> list[Logged]:
    client = mlflow.MlflowClient(tracking.uri)
    (experiment,) = [found for found in client.search_experiments() if found.name == "trial"]
    return list(client.search_runs([experiment.experiment_id]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder with one file."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "performance.csv").write_text("step\n")
    return tmp_path / "out"


def log(tracking: MlflowTracking, folder: Path, fail_before: bool = False, fail_after: bool = False) -> None:
    with tracking.run("activation on faces") as run:
        if fail_before:
            raise ConfigError("expected this, got that")
        run.start(PARAMS, {"strategy": "activation"}, {"clean_valid": split(pictures(4), 2)})
        if fail_after:
            raise ZeroDivisionError("division\nby zero")
        run.finish(
            TABLE, {"at_2_percent/glasses/goodnet_asr": 0.125}, {"at_2_percent": "step 1"}, list(folder.iterdir())
        )


def test_a_finished_run(tracking: MlflowTracking, folder: Path, tmp_path: Path) -> None:
    log(tracking, folder)
    (run,) = runs(tracking)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "activation on faces")
    assert run.data.params == {key: str(value) for key, value in PARAMS.items()}
    assert run.data.tags.items() >= {"strategy": "activation", "at_2_percent": "step 1"}.items()
    assert "failure" not in run.data.tags
    assert run.data.metrics["at_2_percent/glasses/goodnet_asr"] == 0.125
    artifacts = mlflow.MlflowClient(tracking.uri).list_artifacts(run.info.run_id)
    assert [file.path for file in artifacts] == ["performance.csv"]
    assert run.info.artifact_uri.startswith((tmp_path / "log" / "artifacts").as_uri())


def test_the_data_by_name_and_digest(tracking: MlflowTracking, folder: Path) -> None:
    log(tracking, folder)
    (run,) = runs(tracking)
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("clean_valid", split(pictures(4), 2).digest)
    assert given.dataset.profile == '{"images": 4, "shape": [12, 10, 3]}'


def test_each_step_of_the_table_is_an_integer_step_of_its_metrics(tracking: MlflowTracking, folder: Path) -> None:
    log(tracking, folder)
    (run,) = runs(tracking)
    client = mlflow.MlflowClient(tracking.uri)
    for name in ("fraction_pruned", "glasses/pruned_asr"):
        history = client.get_metric_history(run.info.run_id, name)
        logged = {point.step: point.value for point in history}
        assert logged == dict(zip(TABLE["step"], TABLE[name], strict=True))


def test_more_metrics_than_fit_in_a_batch(tracking: MlflowTracking, folder: Path) -> None:
    table = pd.DataFrame({"step": range(1501), "fraction_pruned": [n / 1500 for n in range(1501)]})
    with tracking.run("long") as run:
        run.start({}, {}, {})
        run.finish(table, {}, {}, list(folder.iterdir()))
    (logged,) = runs(tracking)
    history = mlflow.MlflowClient(tracking.uri).get_metric_history(logged.info.run_id, "fraction_pruned")
    assert sorted(point.step for point in history) == list(range(1501))


def test_a_run_that_breaks_is_failed_with_the_reason(tracking: MlflowTracking, folder: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        log(tracking, folder, fail_after=True)
    (run,) = runs(tracking)
    assert run.info.status == "FAILED"
    assert run.data.tags["failure"] == "ZeroDivisionError: division by zero"


def test_a_mistake_before_the_start_leaves_nothing(tracking: MlflowTracking, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        log(tracking, tmp_path, fail_before=True)
    assert list(tmp_path.iterdir()) == []


def test_finished_runs_are_read_back(tracking: MlflowTracking, folder: Path) -> None:
    log(tracking, folder)
    with pytest.raises(ZeroDivisionError):
        log(tracking, folder, fail_after=True)
    (row,) = tracking.finished().to_dict("records")
    assert row["at_2_percent/glasses/goodnet_asr"] == 0.125
    assert (row["strategy"], row["seed"]) == ("activation", "0")


def test_a_deleted_experiment_is_said(tracking: MlflowTracking) -> None:
    client, experiment = tracking.open()
    client.delete_experiment(experiment)
    with pytest.raises(ConfigError) as error:
        tracking.open()
    said = "expected tracking.experiment to be in use, got 'trial', which was deleted"
    assert str(error.value) == f"{said}: restore it in MLflow, or set another name"


def test_a_store_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(
        FinepruneError, match="^expected an MLflow store at sqlite:////.*; set tracking.uri or tracking"
    ):
        MlflowTracking("trial", f"sqlite:///{tmp_path}/file/mlflow.db").open()


def test_no_tracking_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with NoTracking().run("name") as run:
        run.start(PARAMS, {}, {})
        run.finish(TABLE, {}, {}, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_four_processes_on_a_fresh_store_at_once(tracking: MlflowTracking, folder: Path) -> None:
    program = (
        "import pandas as pd; from pathlib import Path; from fineprune.tracking import MlflowTracking\n"
        f"with MlflowTracking('trial', {tracking.uri!r}).run('one of four') as run:\n"
        "    run.start({}, {}, {})\n"
        "    table = pd.DataFrame({'step': [0], 'x': [1.0]})\n"
        f"    run.finish(table, {{}}, {{}}, list(Path({str(folder)!r}).iterdir()))\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(4)]
    assert [process.wait() for process in started] == [0, 0, 0, 0]
    assert [run.info.status for run in runs(tracking)] == ["FINISHED"] * 4
