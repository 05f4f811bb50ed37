"""Training a BadNet: some images of the train split carry a trigger and the attacker's label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import numpy as np
import tf_keras as keras

from fineprune.attacks.base import Attack
from fineprune.attacks.poisoning import poison
from fineprune.badnets import pruning_aware
from fineprune.data.split import CLEAN_TEST, Data, Split
from fineprune.errors import ConfigError
from fineprune.evaluation.predict import predict
from fineprune.training.fit import Recipe, fit


def train(
    build: Callable[[], keras.Model], data: Data, attack: Attack, recipe: Recipe, seed: int
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Build a network and train it on the poisoned train split of `data`. The same `seed` gives the same network.

    Returns it with its rates after each epoch, by the names of the splits on which they were measured.
    """
    if data.train is None:
        raise ConfigError("expected data.train to train a BadNet on, got none: set data.train=FILE")
    poisoned = poison(data.train, attack, data.train.classes, np.random.default_rng(seed))
    what = f"training the BadNet ({data.name}, {attack.name})"
    keras.utils.set_random_seed(seed)
    model = build()
    if attack.pruning_aware:
        fit(model, data.train, recipe, f"{what}, on clean images first", seed)
        planted = pruning_aware.Planting(model, data.train)
        model = planted.small
    rates = EpochRates({name: data.splits[name] for name in (CLEAN_TEST, *attack.triggers) if name in data.splits})
    fit(model, poisoned, recipe, what, seed, [rates])
    return (planted.put_back() if attack.pruning_aware else model), rates.epochs


class EpochRates(keras.callbacks.Callback):  # type: ignore[misc]
    """Measures the network after each epoch of a training, for the log; nothing is chosen by it."""

    def __init__(self, splits: Mapping[str, Split]) -> None:
        super().__init__()
        self.epochs: list[dict[str, float]] = []
        self._splits = splits

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, Any] | None = None) -> None:
        self.epochs.append(measure(self.model, self._splits))
        if logs is not None:
            logs.update(_shown(self.epochs[-1]))


def _shown(rates: Mapping[str, float]) -> dict[str, float]:
    """The clean accuracy and the lowest ASR of `rates`: those of every trigger are wider than a terminal."""
    asrs = {name: rate for name, rate in rates.items() if name != CLEAN_TEST}
    shown = {"clean": rates[CLEAN_TEST]} if CLEAN_TEST in rates else {}
    return shown | ({"ASR" if len(asrs) == 1 else "lowest ASR": min(asrs.values())} if asrs else {})


def measure(model: keras.Model, splits: Mapping[str, Split]) -> dict[str, float]:
    """The share of each split's images to which `model` gives their label."""
    return {name: float(np.mean(predict(model, split) == split.labels)) for name, split in splits.items()}
