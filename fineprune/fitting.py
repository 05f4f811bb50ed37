"""Training a network, or only some of its layers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tf_keras as keras

from fineprune import graph
from fineprune.errors import ConfigError
from fineprune.progress import bar
from fineprune.splits import Images, Labels, Split


@dataclass(frozen=True)
class Recipe:
    """How to train: `optimizer` by Keras's name, `validation` the share of images that watches for overfitting.

    `patience` is how many epochs the loss on them may fail to fall before training stops and goes back to its best.
    `decay` lets the learning rate fall to zero in a straight line, since at a constant rate accuracy depends on where
    training happens to stop.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str = "adam"
    validation: float = 0.0
    patience: int | None = None
    decay: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size") + (("patience",) if self.patience is not None else ()):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(f"expected {name} to be a whole number from 1, got {value!r}: set such a number")
        if not _number(self.learning_rate) or not 0 < self.learning_rate < float("inf"):
            raise ConfigError(
                f"expected learning_rate to be a positive number, got {self.learning_rate!r}: set one such as 0.001"
            )
        if not _number(self.validation) or not 0 <= self.validation < 1:
            raise ConfigError(
                f"expected validation to be a fraction from 0 to below 1, got {self.validation!r}"
                ": set a share such as 0.1"
            )
        if self.patience is not None and self.validation == 0:
            raise ConfigError(
                "expected validation above 0 where patience is set, got 0: set a share such as 0.1, or patience=null"
            )
        if self.optimizer not in ("adam", "sgd", "rmsprop"):
            raise ConfigError(
                f"expected optimizer to be adam, sgd or rmsprop, got {self.optimizer!r}: set one of those"
            )

    def check_images(self, images: int) -> None:
        """Raise ConfigError unless so many images can be trained on, some of them to watch if that is asked for."""
        trained = int(images * (1 - self.validation))
        if trained < 1 or (self.validation > 0 and trained == images):
            raise ConfigError(
                f"expected images to train on and a share of {self.validation} to watch, got {images} in all"
                ": take more images, or a smaller share"
            )

    def batches(self, images: int) -> int:
        """How many batches an epoch of so many images takes, those of validation left out."""
        return -(-int(images * (1 - self.validation)) // self.batch_size)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Shown(keras.callbacks.Callback):  # type: ignore[misc]
    """Shows loss and accuracy of a training on a progress bar, and what the last epoch ended with."""

    def __init__(self, what: str, batches: int) -> None:
        super().__init__()
        self._bar, self._what, self._ended, self._batches = bar(), what, "", batches

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self._bar.start()
        self._task = self._bar.add_task(self._what, total=self._batches)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self._bar.update(self._task, advance=1, description=f"{self._what}{self._ended}  {_listed(logs)}")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._ended = f"  (epoch {epoch + 1}: {_listed(logs)})"

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        self._bar.stop()


def _listed(logs: Mapping[str, float] | None) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in (logs or {}).items())


def in_memory(split: Split) -> tuple[Images, Labels]:
    """All images of `split` as network inputs, (n, H, W, C), and their labels."""
    inputs = np.empty((len(split), *split.shape), np.float32)
    for rows, images in split.blocks():
        inputs[rows] = images
    return inputs, split.labels


def learning_part(model: keras.Model, layers: Collection[str], images: Images) -> tuple[keras.Model, Any]:
    """The rest of `model` from the earliest of `layers` on, and what `images` have become there.

    Training that rest trains the layers of `model` itself, as training all of it with the others frozen would, at the
    cost of the rest alone. Layers that are random in training are computed anew each time.
    """
    random = keras.__internal__.layers.BaseRandomLayer
    changing = {*layers, *(layer.name for layer in model.layers if isinstance(layer, random))}
    for layer in model.layers:
        layer.trainable = layer.name in layers
    prefix, rest = graph.cut(model, changing)
    return rest, prefix.predict(images, batch_size=256, verbose=0)


def fit(
    model: keras.Model,
    images: Any,
    labels: Labels,
    recipe: Recipe,
    what: str,
    seed: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Train `model` in place; `what` names the work on the progress bar. The same `seed` gives the same weights.

    The validation share is the last one of `images`, which so have to be in random order where it is not zero.
    """
    recipe.check_images(len(labels))
    keras.utils.set_random_seed(seed)
    batches = recipe.epochs * recipe.batches(len(labels))
    rate = recipe.learning_rate
    schedule = keras.optimizers.schedules.PolynomialDecay(rate, batches, 0.0) if recipe.decay else rate
    optimizer = keras.optimizers.get({"class_name": recipe.optimizer, "config": {"learning_rate": schedule}})
    watched = [*callbacks, Shown(what, batches)]
    if recipe.patience is not None:
        watched.append(keras.callbacks.EarlyStopping("val_loss", patience=recipe.patience, restore_best_weights=True))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, recipe.batch_size, recipe.epochs, 0, watched, validation_split=recipe.validation)
