"""A search as users enter it: mistakes, two processes that share it, one of which is killed, and what is left of it."""

import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import numpy as np
import optuna
import pandas as pd
import pytest
from commands import RUNNERS, Ended, run
from nets import tiny
from optuna.trial import TrialState
from samples import pictures, write_h5

from fineprune.files import save_model

pytestmark = pytest.mark.end_to_end
OWN = ["badnet=h5", "badnet.model=net.h5", "data=h5", "data.clean_valid=valid.h5", "data.clean_test=test.h5"]
SPACE = "tune.space={strategy:{most:{low:0.3,high:1.0}}}"
SEARCH = [*OWN, "data.poisoned.dot=test.h5", "tune=own", SPACE, "grid=mine"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A network, and images that fit it."""
    save_model(tiny(), tmp_path / "net.h5")
    for seed, name in enumerate(("valid", "test")):
        write_h5(tmp_path / f"{name}.h5", pictures(40, seed=seed), np.arange(40) % 5)
    return tmp_path


def begin(folder: Path, *settings: str) -> subprocess.Popen[str]:
    """`runners.tune` in a process of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    command = [sys.executable, "-m", "runners.tune", *settings]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment | {"PYTHONPATH": str(RUNNERS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate()
    return Ended(process.returncode, out, err)


def study(folder: Path) -> optuna.Study:
    return optuna.load_study(study_name="mine", storage=f"sqlite:///{folder}/mlruns/optuna.db")


def logged(folder: Path) -> list[mlflow.entities.Run]:
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("fineprune")
    assert experiment
    return list(client.search_runs([experiment.experiment_id], "tags.grid = 'mine' and attributes.status = 'FINISHED'"))


def wait_for_a_trial(folder: Path, process: subprocess.Popen[str]) -> None:
    """Until `process` runs a trial."""
    while process.poll() is None:
        time.sleep(0.2)
        if (folder / "mlruns" / "optuna.db").exists():
            with sqlite3.connect(folder / "mlruns" / "optuna.db") as store:
                query = "select count(*) from trial_user_attributes where key = 'process' and value_json like ?"
                try:
                    if store.execute(query, (f"%{process.pid}]",)).fetchone()[0]:
                        return
                except sqlite3.OperationalError:  # the tables are not there yet
                    continue
    pytest.fail(process.communicate()[1])


def test_two_processes_share_a_search_and_what_one_is_killed_at_is_replaced(folder: Path) -> None:
    killed, other = (begin(folder, *SEARCH, "tune.trials=5", f"hydra.run.dir={name}") for name in ("one", "two"))
    wait_for_a_trial(folder, killed)
    killed.send_signal(signal.SIGKILL)
    finish(killed)
    ended = finish(other)
    assert (ended.status, ended.err) == (0, "")
    states = [trial.state for trial in study(folder).get_trials()]
    assert states.count(TrialState.COMPLETE) == 5
    assert set(states) <= {TrialState.COMPLETE, TrialState.FAIL}

    check_what_is_left(folder, ended)

    files = sorted(folder.rglob("performance.csv"))
    again = run(folder, "tune", *SEARCH, "tune.trials=5", "hydra.run.dir=three")
    assert (again.status, again.err) == (0, "")
    assert sorted(folder.rglob("performance.csv")) == files
    assert (folder / "three" / "tune.csv").read_text() == (folder / "two" / "tune.csv").read_text()


def check_what_is_left(folder: Path, ended: Ended) -> None:
    """The trials are runs of the grid, and the best can be run by the command, and by the preset, that are left."""
    best = study(folder).best_trial
    runs = {run.data.tags["trial"]: run for run in logged(folder)}
    assert float(runs[str(best.number)].data.tags["trial_value"]) == best.value
    assert {run.data.tags["trial_objective"] for run in runs.values()} == {"clean"}
    table = pd.read_csv(folder / "two" / "tune.csv")
    assert len(table) == 5 and table["value"].max() == best.value and table["asr"].notna().all()
    (last,) = (line for line in ended.out.splitlines() if line.startswith("run it: "))
    command = shlex.split(last.removeprefix("run it: python -m runners."))
    assert f"strategy.most={best.params['strategy.most']}" in command
    preset = ["sweep", "--config-dir", "two", "experiment=best", *OWN, "data.poisoned.dot=test.h5"]
    for arguments in (command, preset):
        composed = run(folder, *arguments, "--cfg=job")
        assert f"most: {best.params['strategy.most']}\n" in composed.out


def test_trials_that_were_logged_and_not_told_to_optuna_are_not_run_again(folder: Path) -> None:
    first = run(folder, "tune", *SEARCH, "tune.trials=2", "hydra.run.dir=one")
    assert first.status == 0
    values = [trial.value for trial in study(folder).get_trials()]
    (folder / "mlruns" / "optuna.db").unlink()
    again = run(folder, "tune", *SEARCH, "tune.trials=2", "hydra.run.dir=two")
    assert (again.status, again.err) == (0, "")
    assert [trial.value for trial in study(folder).get_trials()] == values
    assert not list((folder / "two").rglob("performance.csv"))


def test_trials_that_were_judged_otherwise_are_run_again(folder: Path) -> None:
    assert run(folder, "tune", *SEARCH, "tune.trials=2", "hydra.run.dir=one").status == 0
    (folder / "mlruns" / "optuna.db").unlink()
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    for trial, tag in zip(logged(folder), ("trial_budget", "trial_code"), strict=True):
        assert trial.data.tags[tag] and trial.data.tags["trial_budget"] == "4_percent"
        client.set_tag(trial.info.run_id, tag, "another")
    assert run(folder, "tune", *SEARCH, "tune.trials=2", "hydra.run.dir=two").status == 0
    assert len(list((folder / "two").rglob("performance.csv"))) == 2


PRESET = """# @package _global_
# The fine-tuning behind a strategy that is not tuned.
defaults:
  - /schema/open_space@tune
  - _self_
  - override /strategy: l1_norm
  - override /finetune: clean

tune:
  space: {finetune: {epochs: {low: 1, high: 2, step: 1}}}
"""


def test_the_command_has_what_a_preset_in_a_folder_of_the_user_s_chose(folder: Path) -> None:
    (folder / "mine" / "tune").mkdir(parents=True)
    (folder / "mine" / "tune" / "both.yaml").write_text(PRESET)
    ended = run(folder, "tune", "--config-dir=mine", *OWN, "tune=both", "tune.trials=1", "hydra.run.dir=out")
    assert ended.status == 0
    (last,) = (line for line in ended.out.splitlines() if line.startswith("run it: "))
    assert {f"--config-dir={folder}/mine", "strategy=l1_norm", "finetune=clean"} <= set(shlex.split(last))
    best = (folder / "out" / "experiment" / "best.yaml").read_text()
    assert "override /strategy: l1_norm" in best and "override /finetune: clean" in best


def test_an_oracle_is_marked_everywhere(folder: Path) -> None:
    ended = run(folder, "tune", *SEARCH, "tune.trials=1", "tune.objective=asr", "budgets=[0.1]", "hydra.run.dir=out")
    assert ended.status == 0
    assert "judged by asr (oracle)" in ended.out and "asr (oracle) at 10 %" in ended.out
    assert "chosen by an oracle, which sees poisoned images as no defender does: an upper bound" in ended.out
    assert study(folder).user_attrs["oracle"] is True
    (logged_run,) = logged(folder)
    assert logged_run.data.tags["oracle"] == "true" and logged_run.data.tags["trial_objective"] == "asr (oracle)"
    other = run(folder, "tune", *SEARCH, "tune.trials=1", "budgets=[0.1]")
    assert other.status == 2
    assert other.err.startswith("error: expected the search grid=mine to have objective asr (oracle), as when it began")


MISTAKES = [
    (["tune.trials=0"], "expected tune.trials to be a whole number ≥ 1, got 0"),
    (["tune.objective=best"], "expected tune.objective to be one of clean, asr, got 'best'"),
    (["tune.budget=0.05"], "expected tune.budget to be one of budgets, [0.02, 0.04, 0.1], got 0.05: set one of those"),
    (["budgets=[]"], "expected a budget that nets are judged at, got none: set budgets=[0.04]"),
    (
        ["tune.space={strategy:{mist:[1]}}"],
        "settings of the chosen strategy or fine-tuning, got 'strategy.mist': did you",
    ),
    (
        ["tune.space={strategy:{most:{low:2,high:1}}}"],
        "expected tune.space.strategy.most.low to be at most high, 1, got 2",
    ),
    (["tune.storage=optuna.db"], "expected tune.storage to be sqlite:///FILE or a database's address, such as "),
    (
        ["tune.storage=sqlite:///net.h5"],
        "expected a storage of Optuna's at sqlite:///net.h5, got: file is not a database",
    ),
    (["tune.storage=postgresql://me:secret@host/a"], "FINEPRUNE_TUNE_STORAGE for tune.storage, to the whole address"),
]


@pytest.mark.parametrize(("settings", "said"), MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing_and_does_not_wait_for_tensorflow(
    folder: Path, settings: list[str], said: str
) -> None:
    before = sorted(folder.rglob("*"))
    ended = run(folder, "tune", *SEARCH, *settings, python=("-X", "importtime"))
    imported = [line.rsplit("|", 1)[-1].strip() for line in ended.err.splitlines() if line.startswith("import time:")]
    lines = [line for line in ended.err.splitlines() if not line.startswith("import time:")]
    assert ended.status == 2
    assert len(lines) == 1 and said in lines[0]
    assert "secret" not in lines[0]
    assert not {"tensorflow", "tf_keras", "mlflow"} & set(imported)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ["tune.space={strategy:{most:{low:0.5,high:2}}}"],
            "expected strategy.most to be a fraction > 0 and ≤ 1, got 2",
        ),
        (["tune.objective=asr"], "expected poisoned images, which tune.objective=asr, an oracle, needs, got none"),
        (["badnet.model=none.h5"], "none.h5"),
    ],
)
def test_what_cannot_be_searched_leaves_nothing(folder: Path, settings: list[str], said: str) -> None:
    before = sorted(folder.rglob("*"))
    ended = run(folder, "tune", *OWN, "tune=own", SPACE, *settings)
    assert ended.status == 2
    assert ended.err.startswith("error: ") and ended.err.count("\n") == 1 and said in ended.err
    assert sorted(folder.rglob("*")) == before


def test_many_searches_in_one_command_are_refused(folder: Path) -> None:
    ended = run(folder, "tune", "-m", *SEARCH, "seed=0,1")
    assert ended.status == 2
    assert ended.err.count("expected one search, got -m: run one after the other") == 4
    assert "Traceback" not in ended.err


def test_a_strategy_that_cannot_work_on_the_network_says_so_and_leaves_the_search_alone(folder: Path) -> None:
    before = {path.name for path in folder.iterdir()}
    ended = run(folder, "tune", *OWN, "tune=anp", "tune.trials=2", "hydra.run.dir=out")
    assert ended.status == 2
    assert ended.err.startswith("error: expected ") and ended.err.count("\n") == 1
    assert {path.name for path in folder.iterdir()} == before | {"mlruns"}
    assert {path.name for path in (folder / "mlruns").iterdir()} == {"optuna.db", "optuna.lock"}
