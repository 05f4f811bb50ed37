"""Training a BadNet: some images of the train split carry the trigger and the attacker's label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import tf_keras as keras

from fineprune.attacks.base import Attack
from fineprune.errors import ConfigError
from fineprune.evaluation import predict
from fineprune.progress import bar
from fineprune.splits import Data, Images, Labels, Split


@dataclass(frozen=True)
class Recipe:
    """How a BadNet is trained: Adam on cross-entropy, the learning rate falling to zero in a straight line, since at
    a constant rate accuracy depends on where training happens to stop."""

    epochs: int
    batch_size: int
    learning_rate: float

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"expected badnet.{name} to be a whole number from 1, got {value!r}")
        if (
            isinstance(self.learning_rate, bool)
            or not isinstance(self.learning_rate, int | float)
            or self.learning_rate <= 0
        ):
            raise ConfigError(f"expected badnet.learning_rate to be a positive number, got {self.learning_rate!r}")


class Shown(keras.callbacks.Callback):  # type: ignore[misc]
    """Shows loss and accuracy of a training on a progress bar."""

    def __init__(self, what: str, batches: int) -> None:
        super().__init__()
        self._bar, self._what, self._batches = bar(), what, batches

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self._bar.start()
        self._task = self._bar.add_task(self._what, total=self._batches)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        state = "  ".join(f"{name} {value:.3f}" for name, value in (logs or {}).items())
        self._bar.update(self._task, advance=1, description=f"{self._what}  {state}")

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        self._bar.stop()


def poison(split: Split, attack: Attack, random: np.random.Generator) -> tuple[Images, Labels]:
    """The images and labels of `split` as network inputs, held in memory, a random share of them poisoned.

    Images of the target class are left alone, since the trigger would teach nothing there.
    """
    inputs, labels = np.empty((len(split), *split.shape), np.float32), split.labels.copy()
    others = np.flatnonzero(labels != attack.target)
    chosen = np.zeros(len(split), bool)
    chosen[random.choice(others, min(len(others), round(attack.poison_rate * len(split))), replace=False)] = True
    for rows, clean in split.blocks():
        marked = chosen[rows]
        landmarks = split.landmarks(rows.start, rows.stop)
        stamped = attack.stamp(
            split.pixels(rows.start, rows.stop)[marked], None if landmarks is None else landmarks[marked]
        )
        clean[marked] = stamped * np.float32(split.scale)
        inputs[rows] = clean
    labels[chosen] = attack.target
    return inputs, labels


def train(build: Callable[[], keras.Model], data: Data, attack: Attack, recipe: Recipe, seed: int) -> keras.Model:
    """Build a network and train it on the poisoned train split of `data`. The same `seed` gives the same network."""
    if data.train is None:
        raise ConfigError("expected data.train to train a BadNet on, got none")
    inputs, labels = poison(data.train, attack, np.random.default_rng(seed))
    keras.utils.set_random_seed(seed)
    model = build()
    batches = recipe.epochs * -(-len(labels) // recipe.batch_size)
    rate = keras.optimizers.schedules.PolynomialDecay(recipe.learning_rate, batches, 0.0)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    shown = Shown(f"training the BadNet ({data.name}, {attack.name})", batches)
    model.fit(inputs, labels, recipe.batch_size, recipe.epochs, verbose=0, callbacks=[shown])
    return model


def measure(model: keras.Model, splits: Mapping[str, Split]) -> dict[str, float]:
    """The share of each split's images to which `model` gives the label that the split gives."""
    return {name: float(np.mean(predict(model, split) == split.labels)) for name, split in splits.items()}
