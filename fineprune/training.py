"""Training a BadNet: some images of the train split carry the trigger and the attacker's label."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tf_keras as keras

from fineprune.attacks.base import Attack
from fineprune.errors import ConfigError
from fineprune.evaluation import predict
from fineprune.fitting import Recipe, fit, in_memory
from fineprune.splits import Data, Images, Labels, PoisonedSplit, Split


def poison(split: Split, attack: Attack, random: np.random.Generator) -> tuple[Images, Labels]:
    """The images and labels of `split` as network inputs, held in memory, a random share of them poisoned.

    Images of the target class are left alone, since the trigger would teach nothing there.
    """
    inputs, labels = in_memory(split)
    labels = labels.copy()
    others = np.flatnonzero(labels != attack.target)
    count = min(len(others), round(attack.poison_rate * len(split)))
    if count == 0:
        raise ConfigError(
            f"expected attack.poison_rate to poison at least one of {len(others)} images, got {attack.poison_rate}"
            ": raise it"
        )
    chosen = np.zeros(len(split), bool)
    chosen[random.choice(others, count, replace=False)] = True
    inputs[chosen], _ = in_memory(PoisonedSplit(split, attack, np.flatnonzero(chosen)))
    labels[chosen] = attack.target
    return inputs, labels


def train(build: Callable[[], keras.Model], data: Data, attack: Attack, recipe: Recipe, seed: int) -> keras.Model:
    """Build a network and train it on the poisoned train split of `data`. The same `seed` gives the same network."""
    if data.train is None:
        raise ConfigError("expected data.train to train a BadNet on, got none: set data.train=FILE")
    inputs, labels = poison(data.train, attack, np.random.default_rng(seed))
    keras.utils.set_random_seed(seed)
    model = build()
    fit(model, inputs, labels, recipe, f"training the BadNet ({data.name}, {attack.name})", seed)
    return model


def measure(model: keras.Model, splits: Mapping[str, Split]) -> dict[str, float]:
    """The share of each split's images to which `model` gives the label that the split gives."""
    return {name: float(np.mean(predict(model, split) == split.labels)) for name, split in splits.items()}
