"""Who runs which trial: the same whoever is killed, stopped or beside, and so many in all."""

import math
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna import Study, Trial
from optuna.trial import TrialState

from fineprune.errors import ConfigError, ModelError, NotApplicable
from fineprune.files import machine
from fineprune.search import trials
from fineprune.search.space import Space, Value
from fineprune.search.storage import Storage
from fineprune.search.trials import PROCESS, Seeded, replace_killed, work

pytestmark = pytest.mark.slow

SPACE = Space({"strategy": {"x": {"low": 0.0, "high": 1.0}, "y": ["a", "b"]}})
DEFAULTS: dict[str, Value] = {"strategy.x": 0.25}


def opened(folder: Path, seed: int = 0) -> Study:
    """The search in `folder`, as each process opens it."""
    study = Storage(f"sqlite:///{folder}/optuna.db").study("mine", {"objective": "clean"})
    study.sampler = Seeded(seed, DEFAULTS)
    return study


def value(_: Trial, values: dict[str, Value]) -> float:
    return float(values["strategy.x"] or 0) + (values["strategy.y"] == "a")


def searched(folder: Path, count: int, evaluate: Callable[..., float] = value, seed: int = 0) -> list[Any]:
    """What was proposed and what it was worth, of the trials that ended."""
    study = opened(folder, seed)
    work(study, SPACE, count, evaluate, lambda *_: None)
    return ended(study)


def begun(folder: Path, *where: Any) -> Trial:
    """A trial that is running, in the process that is named; without a name it has just begun."""
    with pytest.warns(UserWarning, match="Heartbeat of storage"):  # which only Optuna's own loop sends
        trial = opened(folder).ask()
    if where:
        SPACE.suggest(trial)
        trial.set_user_attr(PROCESS, where)
    return trial


def ended(study: Study) -> list[Any]:
    return [(trial.params, trial.value) for trial in study.get_trials(states=trials.ENDED)]


def folder_in(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """A search of fourteen trials that nothing disturbs: ten drawn at random, four by TPE."""
    return searched(tmp_path_factory.mktemp("whole"), 14)


def test_the_first_trial_takes_the_defaults_and_all_others_differ(whole: list[Any]) -> None:
    assert whole[0][0]["strategy.x"] == 0.25
    assert len({str(params) for params, _ in whole}) == 14
    assert max(found for _, found in whole[10:]) > 1.5


def test_the_same_seed_proposes_the_same_and_another_does_not(tmp_path: Path, whole: list[Any]) -> None:
    assert searched(folder_in(tmp_path, "again"), 12) == whole[:12]
    assert searched(folder_in(tmp_path, "other"), 3, seed=1)[1:] != whole[1:3]


@pytest.mark.parametrize("at", [1, 12])
def test_stopped_and_begun_again_a_search_goes_on_as_it_would_have(tmp_path: Path, whole: list[Any], at: int) -> None:
    def stopping(trial: Trial, values: dict[str, Value]) -> float:
        if trial.number == at:
            raise KeyboardInterrupt
        return value(trial, values)

    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path, 14, stopping)
    assert searched(tmp_path, 14) == whole
    assert searched(tmp_path, 14, lambda *_: pytest.fail("ran again")) == whole


def test_more_trials_of_a_search_come_on_top(tmp_path: Path, whole: list[Any]) -> None:
    searched(tmp_path, 3)
    assert searched(tmp_path, 5) == whole[:5]


def gone() -> int:
    """The number of a process that was."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_trial_whose_process_was_killed_is_replaced_and_does_not_count(tmp_path: Path, whole: list[Any]) -> None:
    searched(tmp_path, 2)
    killed = begun(tmp_path, machine(), gone())
    assert searched(tmp_path, 4) == whole[:4]
    assert whole[2][0] == killed.params
    states = [trial.state for trial in opened(tmp_path).get_trials()]
    assert states.count(TrialState.FAIL) == 1 and states.count(TrialState.COMPLETE) == 4


def test_a_trial_that_is_silent_elsewhere_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fineprune.search.storage.SILENCE", 1)
    silent = begun(tmp_path, "elsewhere", 1)
    with sqlite3.connect(tmp_path / "optuna.db") as store:
        store.execute("insert into trial_heartbeats (trial_id, heartbeat) values (1, '2020-01-01 00:00:00')")
    replace_killed(study := opened(tmp_path))
    assert [trial.state for trial in study.get_trials()] == [TrialState.FAIL, TrialState.WAITING]
    assert searched(tmp_path, 1)[0][0] == silent.params


def test_a_trial_that_was_killed_before_it_said_where_it_runs_is_replaced(tmp_path: Path, whole: list[Any]) -> None:
    begun(tmp_path)
    replace_killed(study := opened(tmp_path))
    assert [trial.state for trial in study.get_trials()] == [TrialState.RUNNING]  # it may be about to say
    with sqlite3.connect(tmp_path / "optuna.db") as store:
        store.execute("update trials set datetime_start = '2020-01-01 00:00:00.000000'")
    assert searched(tmp_path, 2) == whole[:2]


@pytest.mark.parametrize(
    "wrong",
    [
        ConfigError("expected a finite loss, got nan: lower it"),
        ModelError("expected finite scores, got NaN or infinity: are the inputs too large?"),
        NotApplicable("expected a network with dense layers, got none: take another"),
    ],
)
def test_a_trial_that_leads_nowhere_counts_and_says_why(tmp_path: Path, wrong: Exception) -> None:
    def diverging(trial: Trial, values: dict[str, Value]) -> float:
        if trial.number == 1:
            raise wrong
        return value(trial, values)

    assert [found for _, found in searched(tmp_path, 3, diverging)].count(None) == 1
    pruned = opened(tmp_path).get_trials()[1]
    assert pruned.state is TrialState.PRUNED
    assert pruned.user_attrs["reason"] == str(wrong)


@pytest.mark.parametrize("worth", [math.nan, math.inf])
def test_a_trial_whose_value_is_not_finite_leads_nowhere(tmp_path: Path, worth: float) -> None:
    def overflowing(trial: Trial, values: dict[str, Value]) -> float:
        assert trial.number < 3
        return worth if trial.number == 1 else value(trial, values)

    assert [found for _, found in searched(tmp_path, 3, overflowing)].count(None) == 1
    assert opened(tmp_path).get_trials()[1].user_attrs["reason"].startswith(f"expected a finite value, got {worth}: ")


def test_what_the_network_lacks_as_the_settings_are_ends_the_search(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable):
        searched(tmp_path, 3, raising(NotApplicable("expected a norm, got none: take another strategy")))
    assert searched(tmp_path, 1)[0][0]["strategy.x"] == 0.25


def raising(error: Exception) -> Callable[..., float]:
    def evaluate(*_: Any) -> float:
        raise error

    return evaluate


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """The trial of another process, which ends as this one waits."""
    running = begun(tmp_path, machine(), os.getpid())
    monkeypatch.setattr("time.sleep", lambda _: opened(tmp_path).tell(running.number, 0.5))
    return running


def test_the_last_trials_of_other_processes_are_waited_for(tmp_path: Path, other: Trial) -> None:
    assert searched(tmp_path, 1, lambda *_: pytest.fail("one too many")) == [(other.params, 0.5)]


def test_of_two_processes_that_begin_the_last_trial_at_once_one_does_not_run_it(tmp_path: Path, other: Trial) -> None:
    study = opened(tmp_path)
    seen = study.get_trials
    before_the_other_began: list[list[Any]] = [[], []]

    def get_trials(*about: Any, **more: Any) -> list[Any]:
        return before_the_other_began.pop() if before_the_other_began else seen(*about, **more)

    study.get_trials = get_trials  # type: ignore[method-assign]
    work(study, SPACE, 1, lambda *_: pytest.fail("one too many"), lambda *_: None)
    assert ended(opened(tmp_path)) == [(other.params, 0.5)]


def test_another_search_of_the_same_name_is_refused(tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(ConfigError, match="^expected the search grid=mine to have objective clean, as when it began, "):
        Storage(f"sqlite:///{tmp_path}/optuna.db").study("mine", {"objective": "asr (oracle)"})


@pytest.mark.parametrize(
    ("key", "said"),
    [("sweep", "the network, images, code and settings"), ("space", "the ranges"), ("code", "the code that judges")],
)
def test_another_search_of_the_same_name_is_refused_in_words(tmp_path: Path, key: str, said: str) -> None:
    storage = Storage(f"sqlite:///{tmp_path}/optuna.db")
    storage.study("mine", {key: "3f9a"})
    with pytest.raises(ConfigError, match=f"^expected the search .* to have {said} of when it began, got others: set"):
        storage.study("mine", {key: "0b17"})


def test_optuna_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    searched(tmp_path, 1)
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR
    assert capfd.readouterr() == ("", "")
