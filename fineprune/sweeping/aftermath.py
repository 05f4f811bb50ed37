"""Does it last? The nets of a sweep before and after what they may meet once they are deployed."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import nan

import numpy as np
import tf_keras as keras

from fineprune.aftermath import Aftermath
from fineprune.data.split import CLEAN_TEST, Data, Split, Subset
from fineprune.errors import ConfigError, Doubt
from fineprune.evaluation.predict import ClassLabels, predict
from fineprune.network import graph
from fineprune.sweeping.outcomes import Outcome


def check(stages: Sequence[Aftermath], poisoned: Mapping[str, Split]) -> None:
    """Raise ConfigError where one is there twice, or lacks the poisoned images that it is given or is measured by."""
    twice = [title for title, count in Counter(stage.title for stage in stages).items() if count > 1]
    if twice:
        raise ConfigError(f"expected stages of aftermath that differ, got {twice[0]} twice: leave one out")
    for stage in stages:
        if stage.poisoned and not poisoned:
            raise ConfigError(
                f"expected poisoned images, which aftermath={stage.title} trains on, got none: set "
                "data.poisoned.NAME=FILE or, with attack=clean, 'attack.measured=[sunglasses]'"
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

    They may train on `seen`. One that is given poisoned images runs once for each trigger, others once; the clean
    originals of these images are still measured. One whose training diverges has no outcome, and a Doubt says so.
    """
    for stage in stages:
        drawn = {trigger: _drawn(split, stage.poisoned, seed) for trigger, split in data.poisoned.items()}
        if stage.poisoned:
            runs = [(given, {trigger: others}) for trigger, (given, others) in drawn.items()]
        else:
            runs = [(None, {trigger: others for trigger, (_, others) in drawn.items()})]
        for given, others in runs:
            after = graph.clone(net)
            try:
                stage.change(after, seen, given, seed, f"{stage.title} after the defence")
            except ConfigError as reason:  # what was measured before must not be lost
                warnings.warn(f"aftermath={stage.title} came to nothing: {reason}", Doubt, stacklevel=2)
                continue
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
