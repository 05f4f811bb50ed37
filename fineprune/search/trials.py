"""The trials of a search: who proposes them, who takes which, and what replaces one that was killed."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from optuna import Study, Trial, TrialPruned
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from fineprune.errors import ConfigError, ModelError, NotApplicable, plain
from fineprune.files import is_alive, machine
from fineprune.search.space import Space, Value
from fineprune.search.storage import SILENCE

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
WAIT = 2  # seconds before a process looks again whether trials of others have ended
NOWHERE = (ConfigError, ModelError, NotApplicable)  # what a trial raises that is not to be run again
PROCESS = "process"  # the attribute of a trial that says where it runs

Evaluate = Callable[[Trial, dict[str, Value]], float]
Note = Callable[[Study, FrozenTrial], None]


class Surplus(Exception):
    """Another process has begun the last trial at the same moment."""


class Seeded(BaseSampler):
    """TPE whose random numbers depend on `seed` and on how many trials came before, whoever ran them.

    So a search that is stopped goes on as it would have. The first trial takes the `defaults`.
    """

    def __init__(self, seed: int, defaults: Mapping[str, Value]) -> None:
        self._seed, self._defaults = seed, defaults
        self._tpe, self._is_first = self._drawn(0), False

    def _drawn(self, place: int) -> TPESampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            seed = int(np.random.SeedSequence((self._seed, place)).generate_state(1)[0])
            return TPESampler(seed=seed, multivariate=True, constant_liar=True)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        number = place(study, trial.number)
        self._tpe, self._is_first = self._drawn(number), number == 0
        self._tpe.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {} if self._is_first else self._tpe.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        if self._is_first and param_name in self._defaults:
            return self._defaults[param_name]
        return self._tpe.sample_independent(study, trial, param_name, param_distribution)


def place(study: Study, number: int) -> int:
    """Which trial of the search that of Optuna's `number` is, from 0; those that were killed do not count."""
    trials = study.get_trials(deepcopy=False)
    return number - sum(trial.number < number and trial.state is TrialState.FAIL for trial in trials)


def work(study: Study, space: Space, trials: int, evaluate: Evaluate, note: Note) -> None:
    """Run trials until `trials` have ended, here or in other processes, for whose last ones this one waits.

    `evaluate` returns the value of a trial. Where its settings lead nowhere, as a training that diverges, it raises one
    of NOWHERE, or the value is not finite: such a trial counts as the worst. NotApplicable of the first trial, which
    has the settings as they are, is raised again. `note` is called after each trial of this process.
    """

    def objective(trial: Trial) -> float:
        trial.set_user_attr(PROCESS, [machine(), os.getpid()])
        if place(study, trial.number) >= trials:
            raise Surplus
        values = space.suggest(trial)
        try:
            return _finite(evaluate(trial, values))
        except BaseException as reason:
            if not isinstance(reason, NOWHERE) or (
                isinstance(reason, NotApplicable) and place(study, trial.number) == 0
            ):
                study.enqueue_trial(values)
                raise
            trial.set_user_attr("reason", plain(reason))
            raise TrialPruned from reason

    while True:
        replace_killed(study)
        states = Counter(trial.state for trial in study.get_trials(deepcopy=False))
        ended = sum(states[state] for state in ENDED)
        if ended >= trials:
            return
        if states[TrialState.WAITING] or ended + states[TrialState.RUNNING] < trials:
            with suppress(UpdateFinishedTrialError):  # others took this process for dead, as on a computer that slept
                study.optimize(objective, n_trials=1, catch=(Surplus,), callbacks=[note])
        else:
            time.sleep(WAIT)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ConfigError(f"expected a finite value, got {value}: these settings make scores overflow")
    return value


def replace_killed(study: Study) -> None:
    """Queue again the trials whose process is gone: here at once, elsewhere once it has been silent."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_killed(trial):
            with suppress(UpdateFinishedTrialError, ValueError):  # another process was faster
                study.tell(trial.number, state=TrialState.FAIL)
                study.enqueue_trial(trial.params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        fail_stale_trials(study)


def _is_killed(trial: FrozenTrial) -> bool:
    """Whether its process is gone: one of this computer, or one that never said where it runs, and so has no pulse."""
    if PROCESS in trial.user_attrs:
        where, process = trial.user_attrs[PROCESS]
        return where == machine() and not is_alive(process)
    return trial.datetime_start is not None and datetime.now() - trial.datetime_start > timedelta(seconds=SILENCE)
