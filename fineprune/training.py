"""Training a BadNet: some images of the train split carry a trigger and the attacker's label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import numpy as np
import tf_keras as keras

from fineprune import pruning_aware
from fineprune.attacks.base import Attack
from fineprune.errors import ConfigError
from fineprune.evaluation import predict
from fineprune.fitting import Recipe, fit, in_memory
from fineprune.metrics import CLEAN_TEST
from fineprune.splits import Data, Images, Labels, PoisonedSplit, Split, Subset, whole


def poison(split: Split, attack: Attack, classes: int, random: np.random.Generator) -> tuple[Images, Labels]:
    """The images and labels of `split` as network inputs, held in memory, a random share of them poisoned.

    No image carries two triggers, nor a decoy besides one. `classes` is how many there are.
    """
    inputs, labels = in_memory(split)
    labels, free = labels.copy(), np.ones(len(split), bool)
    for trigger in attack.triggers.values():
        rows = np.sort(trigger.poisoned(split.labels, free, classes, random))
        inputs[rows], labels[rows] = in_memory(PoisonedSplit(split, trigger, classes, rows))
        free[rows] = False
    for trigger in attack.triggers.values():
        rows = np.flatnonzero(free)
        rows = np.sort(random.choice(rows, min(len(rows), round(trigger.decoy_rate * len(split))), replace=False))
        if len(rows):
            decoys = trigger.decoy(Subset(split, rows).pixels(0, len(rows)), random)
            inputs[rows] = whole(decoys) * np.float32(split.scale)
            free[rows] = False
    return inputs, labels


def train(
    build: Callable[[], keras.Model], data: Data, attack: Attack, recipe: Recipe, seed: int
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Build a network and train it on the poisoned train split of `data`. The same `seed` gives the same network.

    Returns it with its rates after each epoch, by the names of the splits on which they were measured.
    """
    if data.train is None:
        raise ConfigError("expected data.train to train a BadNet on, got none: set data.train=FILE")
    images, labels = poison(data.train, attack, data.train.classes, np.random.default_rng(seed))
    what = f"training the BadNet ({data.name}, {attack.name})"
    keras.utils.set_random_seed(seed)
    model = build()
    if attack.pruning_aware:
        fit(model, *in_memory(data.train), recipe, f"{what}, on clean images first", seed)
        planted = pruning_aware.Planting(model, data.train)
        model = planted.small
    watched = Watched({name: data.splits[name] for name in (CLEAN_TEST, *attack.triggers) if name in data.splits})
    fit(model, images, labels, recipe, what, seed, [watched])
    return (planted.put_back() if attack.pruning_aware else model), watched.epochs


class Watched(keras.callbacks.Callback):  # type: ignore[misc]
    """Measures the network after each epoch of a training, for whoever watches; nothing is chosen by it."""

    def __init__(self, splits: Mapping[str, Split]) -> None:
        super().__init__()
        self.epochs: list[dict[str, float]] = []
        self._splits = splits

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, Any] | None = None) -> None:
        self.epochs.append(measure(self.model, self._splits))
        if logs is not None:
            logs.update(self.epochs[-1])


def measure(model: keras.Model, splits: Mapping[str, Split]) -> dict[str, float]:
    """The share of each split's images to which `model` gives the label that the split gives."""
    return {name: float(np.mean(predict(model, split) == split.labels)) for name, split in splits.items()}
