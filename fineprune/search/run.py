"""Trials as sweeps: each is a run of the grid that the search is called by, and has a value."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, open_dict
from optuna import Study, Trial

from fineprune import names
from fineprune.badnets.source import BadNet
from fineprune.config import setup
from fineprune.config.setup import Experiment
from fineprune.errors import ConfigError
from fineprune.identity import code
from fineprune.report import run_folder
from fineprune.report.records import Record
from fineprune.search import objectives
from fineprune.search.asked import Asked
from fineprune.search.space import Value, applied
from fineprune.search.trials import Note, Seeded, work
from fineprune.sweeping.run import Sweep

TRIAL, VALUE = "trial", "trial_value"  # tags of runs
JUDGING = ("names", "report", "search")  # where the code is that judges, but for what a run's identity has
FIGURES = "figures"  # the attribute of a trial that holds what its sweep measured

Measure = Callable[[DictConfig, Experiment, Record, Path, Callable[[Sweep], Mapping[str, str]]], Sweep]


@dataclass(frozen=True)
class Search:
    """What is `asked`, on a BadNet that is there: `settings` are a sweep's, `name` is the grid's and the study's.

    `identity` is that of the sweep with the settings as they are: the network, the images, the code.
    """

    asked: Asked
    settings: DictConfig
    badnet: BadNet
    name: str
    identity: str

    @property
    def about(self) -> dict[str, Any]:
        """What trials of one search have in common, as attributes of Optuna's study."""
        asked = self.asked
        common = {**self.judging, "oracle": asked.oracle}
        return {**common, "space": repr(asked.space), "sweep": self.identity}

    @property
    def judging(self) -> dict[str, str]:
        """What decides the value of a sweep."""
        return {
            "objective": self.asked.judged_by,
            "budget": self.asked.point,
            "code": code(objectives.__name__, within=JUDGING),
        }


def prepare(asked: Asked, settings: DictConfig) -> Search:
    """Obtain the BadNet, and check that all which may be proposed can be set. Raises ConfigError where not."""
    base = applied(settings, {})
    for key, value in asked.space.extremes():
        setup.build_method(applied(settings, {key: value}))
    parts = setup.build(base)
    if asked.oracle and not parts.badnet.data.poisoned:
        raise ConfigError(
            f"expected poisoned images, which tune.objective={asked.objective}, an oracle, needs, got none: set "
            "data.poisoned.NAME=FILE, or tune.objective=clean"
        )
    identity = setup.record(base, parts).tags["identity"]
    search = Search(asked, base, parts.badnet, asked.name or "", identity)
    digest = hashlib.sha256(repr(search.about).encode()).hexdigest()[:6]
    search = replace(search, name=asked.name or f"tune-{digest}")
    with open_dict(base):
        base.grid = search.name
    return search


def run(search: Search, folder: Path, measure: Measure, note: Note) -> Study:
    """Run the trials that are missing, with run folders in `folder`, and wait for those of other processes.

    `measure` runs one sweep and leaves its results; `note` is called with each trial that this process has ended.
    """
    asked, settings = search.asked, search.settings
    study = asked.storage.study(search.name, search.about)
    study.sampler = Seeded(settings.seed, asked.space.defaults(settings))

    def evaluate(trial: Trial, values: Mapping[str, Value]) -> float:
        value, metrics = _evaluated(search, trial.number, values, folder / str(trial.number), measure)
        trial.set_user_attr(FIGURES, figures(metrics, asked.point))
        return value

    with asked.storage.translated_errors(), asked.storage.warned_of_silence():
        work(study, asked.space, asked.trials, evaluate, note)
    return study


def _evaluated(
    search: Search, number: int, values: Mapping[str, Value], folder: Path, measure: Measure
) -> tuple[float, Mapping[str, float]]:
    """The value of a trial and the metrics of its sweep, which is run unless it has finished before."""
    settings = applied(search.settings, values)
    parts = setup.build(settings, search.badnet)
    record = setup.record(settings, parts)
    known = parts.tracking.results(record)
    judging = {f"{TRIAL}_{key}": said for key, said in search.judging.items()}
    if known and judging.items() <= known.tags.items():
        return float(known.tags[VALUE]), known.metrics
    about = {TRIAL: str(number), **judging, **({"oracle": "true"} if search.asked.oracle else {})}
    record = replace(record, tags={**record.tags, **about})

    value = math.nan

    def tags(sweep: Sweep) -> dict[str, str]:
        nonlocal value
        value = objectives.OBJECTIVES[search.asked.objective](sweep, search.asked.point)
        return {VALUE: repr(value)}

    sweep = measure(settings, parts, record, folder, tags)
    return value, run_folder.results(sweep)


def figures(metrics: Mapping[str, float], point: str) -> dict[str, float]:
    """Of a sweep's metrics those that are shown beside a value: of the GoodNet, and how much is pruned."""
    named = {rate: names.headline(rate, point) for rate in (names.ACCURACY, names.ASR, names.DER)}
    named[names.FRACTION_PRUNED] = names.at(point, names.FRACTION_PRUNED)
    return {key: metrics[name] for key, name in named.items() if name in metrics}
