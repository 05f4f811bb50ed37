"""Does it last? The nets of a sweep before and after what they may meet once they are deployed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
import tf_keras as keras

from fineprune.aftermath import Aftermath
from fineprune.data.split import CLEAN_TEST, Data, Split, Subset
from fineprune.errors import ConfigError
from fineprune.evaluation.predict import ClassLabels, predict
from fineprune.network import graph

PREFIX = "aftermath"
PLACE = ("point", "net", "stage", "trigger")
RATES = ("accuracy_before", "accuracy_after", "asr_before", "asr_after")
COLUMNS = [*PLACE, "poisoned", *RATES]


@dataclass(frozen=True)
class Outcome:
    """What a stage did to a net: to that called `net`, `pruned` or `finetuned`, at one `point` of a sweep.

    Accuracy is that on clean_test, ASR that on the images with `trigger`, both fractions, NaN where not measured.
    `poisoned` is how many of these images the stage was given: they are measured neither before nor after.
    """

    stage: str
    trigger: str
    poisoned: int
    accuracy_before: float
    accuracy_after: float
    asr_before: float
    asr_after: float
    net: str = ""
    point: str = ""

    def metrics(self) -> dict[str, float]:
        """Its rates, as `aftermath/2_percent/pruned/retuning/sunglasses/asr_after`."""
        place = "/".join(filter(None, [PREFIX, self.point, self.net, self.stage, self.trigger]))
        return {f"{place}/{rate}": value for rate in RATES if not np.isnan(value := getattr(self, rate))}


def parse(metrics: Mapping[str, float]) -> list[dict[str, str | float]]:
    """What `Outcome.metrics` wrote into `metrics`: a row for each outcome, with its place and its rates."""
    rows: dict[tuple[str, ...], dict[str, str | float]] = {}
    for name, value in metrics.items():
        *parts, rate = name.split("/")
        if parts[:1] == [PREFIX] and len(place := parts[1:]) >= 3 and rate in RATES:
            at = (*place[:3], "/".join(place[3:]))
            rows.setdefault(at, {**dict(zip(PLACE, at, strict=True)), **dict.fromkeys(RATES, nan)})[rate] = value
    return list(rows.values())


def check(stages: Sequence[Aftermath], poisoned: Mapping[str, Split]) -> None:
    """Raise ConfigError where one is there twice, or lacks the poisoned images that it is given or is measured by."""
    twice = [title for title, count in Counter(stage.title for stage in stages).items() if count > 1]
    if twice:
        raise ConfigError(f"expected stages of aftermath that differ, got {twice[0]} twice: leave one out")
    for stage in stages:
        if stage.poisoned and not poisoned:
            raise ConfigError(
                f"expected poisoned images, which aftermath={stage.title} trains on, got none: set "
                "data.poisoned.NAME=FILE or, with attack=clean, attack.measured=[sunglasses]"
            )
        for name, split in poisoned.items():
            if len(split) <= stage.poisoned:
                raise ConfigError(
                    f"expected more than {stage.poisoned} images of data.poisoned.{name}, some for "
                    f"aftermath={stage.title} to train on and others to measure, got {len(split)}: take more images"
                )


def outcomes(
    stages: Sequence[Aftermath], net: keras.Model, labels: Mapping[str, ClassLabels], data: Data, seen: Split, seed: int
) -> Iterator[Outcome]:
    """What each of `stages` does to a copy of `net`, whose `labels` are (n,) for each split.

    They may train on `seen`. One that is given poisoned images runs once for each trigger, others once.
    """
    for stage in stages:
        drawn = {trigger: _drawn(split, stage.poisoned, seed) for trigger, split in data.poisoned.items()}
        if stage.poisoned:
            runs = [(given, {trigger: others}) for trigger, (given, others) in drawn.items()]
        else:
            runs = [(None, {trigger: others for trigger, (_, others) in drawn.items()})]
        for given, others in runs:
            after = graph.clone(net)
            stage.change(after, seen, given, seed, f"{stage.title} after the defence")
            yield from _measured(stage, after, labels, data.clean_test, others)


def _drawn(split: Split, count: int, seed: int) -> tuple[Split | None, Subset]:
    """`count` images of `split`, at random, and the others."""
    order = np.random.default_rng(seed).permutation(len(split))
    given, others = (Subset(split, np.sort(rows)) for rows in np.split(order, [count]))
    return given if count else None, others


def _measured(
    stage: Aftermath,
    after: keras.Model,
    labels: Mapping[str, ClassLabels],
    clean: Split | None,
    poisoned: Mapping[str, Subset],
) -> Iterator[Outcome]:
    accuracy = (nan, nan) if clean is None else _right(clean, labels[CLEAN_TEST], predict(after, clean))
    asrs = {name: _right(split, labels[name][split.rows], predict(after, split)) for name, split in poisoned.items()}
    for trigger, asr in (asrs or {"": (nan, nan)}).items():
        yield Outcome(stage.title, trigger, stage.poisoned, *accuracy, *asr)


def _right(split: Split, before: ClassLabels, after: ClassLabels) -> tuple[float, float]:
    """The share of the images of `split` that are given their labels, before and after, (n,) each."""
    return float(np.mean(before == split.labels)), float(np.mean(after == split.labels))
