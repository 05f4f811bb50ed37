"""Training a network, or only some of its layers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import tensorflow as tf
import tf_keras as keras
from pydantic import Field

from fineprune.checks import Count, Positive
from fineprune.data.split import Labels, Split, Subset, fits, in_memory
from fineprune.errors import ConfigError
from fineprune.network import graph, passes
from fineprune.network.network import emits_logits
from fineprune.progress import bar
from fineprune.training.loop import unwrap_data_errors

Examples = Split | tuple[Any, Labels]  # images, or the activations that a network gives them, in memory


@dataclass(frozen=True)
class Recipe:
    """How to train: `optimizer` by Keras's name, `validation` the share of images to watch for overfitting on.

    `patience` is how many epochs the loss on them may fail to fall before training stops and goes back to its best.
    `decay` lets the learning rate fall to zero in a straight line, since at a constant rate accuracy depends on where
    training happens to stop.
    """

    epochs: Count
    batch_size: Count
    learning_rate: Positive
    optimizer: Literal["adam", "sgd", "rmsprop"] = "adam"
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    patience: Count | None = None
    decay: bool = False

    def __post_init__(self) -> None:
        if self.patience is not None and self.validation == 0:
            raise ConfigError(
                "expected validation above 0 where patience is set, got 0: set a share such as 0.1, or patience=null"
            )

    def check_images(self, images: int) -> None:
        """Raise ConfigError unless so many images are enough to train on, and for validation where that is set."""
        trained = self.trained(images)
        if trained < 1 or (self.validation > 0 and trained == images):
            raise ConfigError(
                f"expected images to train on and a share of {self.validation} to watch, got {images} in all"
                ": take more images, or a smaller share"
            )

    def trained(self, images: int) -> int:
        """How many of so many images are trained on, those of validation left out."""
        return int(images * (1 - self.validation))

    def batches(self, images: int) -> int:
        """How many batches an epoch of so many images takes."""
        return -(-self.trained(images) // self.batch_size)


class ProgressBar(keras.callbacks.Callback):  # type: ignore[misc]
    """Shows a training on a progress bar: its loss, and what other callbacks measured at the end of the last epoch."""

    def __init__(self, what: str, batches: int) -> None:
        super().__init__()
        self._bar, self._what, self._batches = bar(), what, batches
        self._measured: dict[str, float] = {}

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        self._bar.start()
        self._task = self._bar.add_task(self._what, total=self._batches)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        shown = {name: value for name, value in (logs or {}).items() if name == "loss" or not self._measured}
        self._bar.update(self._task, advance=1, status=_formatted(shown | self._measured))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._measured = {name: value for name, value in (logs or {}).items() if name not in ("loss", "accuracy")}

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        self._bar.stop()


def _formatted(logs: Mapping[str, float]) -> str:
    return "  ".join(
        f"{name} {value:.3f}" if name.endswith("loss") else f"{name} {value * 100:.1f} %"
        for name, value in logs.items()
    )


def learning_part(model: keras.Model, layers: Collection[str], split: Split) -> tuple[keras.Model, Examples]:
    """The rest of `model` from the earliest of `layers` on, and the activations of the images of `split` there.

    Training that rest trains the layers of `model` itself, as training all of it with the others frozen would, at the
    cost of the rest alone: each epoch is one pass, the first together with reading the activations here. Layers that
    are random in training are computed anew each time. It is all of `model`, and `split` as it is, where these
    activations do not fit into memory.
    """
    random = keras.__internal__.layers.BaseRandomLayer
    changing = {*layers, *(layer.name for layer in model.layers if isinstance(layer, random))}
    for layer in model.layers:
        layer.trainable = layer.name in layers
    prefix, rest = graph.cut(model, changing)
    shapes = [tensor.shape[1:] for tensor in prefix.outputs]
    if not fits(len(split), *shapes):
        return model, split
    features = [np.empty((len(split), *shape), np.float32) for shape in shapes]
    for rows, images in split.blocks():
        for feature, block in zip(features, tf.nest.flatten(prefix.predict_on_batch(images)), strict=True):
            feature[rows] = block
    return rest, (features, split.labels)


def fit(
    model: keras.Model,
    examples: Examples,
    recipe: Recipe,
    what: str,
    seed: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Train `model` in place; `what` names the work on the progress bar. The same `seed` gives the same weights.

    Images that fit into memory are read once, and shuffled by Keras; others are streamed and shuffled as
    `Split.batches` does. Which of them are the validation share is drawn by `seed`. Raises ConfigError where there are
    too few images, and DataError where they cannot be read.
    """
    if isinstance(examples, Split) and fits(len(examples), examples.shape):
        examples = in_memory(examples)
    count = len(examples if isinstance(examples, Split) else examples[1])
    recipe.check_images(count)
    keras.utils.set_random_seed(seed)
    batches = recipe.epochs * recipe.batches(count)
    rate = recipe.learning_rate
    schedule = keras.optimizers.schedules.PolynomialDecay(rate, batches, 0.0) if recipe.decay else rate
    optimizer = keras.optimizers.get({"class_name": recipe.optimizer, "config": {"learning_rate": schedule}})
    hooks = [*callbacks, ProgressBar(what, batches)]
    if recipe.patience is not None:
        hooks.append(keras.callbacks.EarlyStopping("val_loss", patience=recipe.patience, restore_best_weights=True))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=emits_logits(model))
    model.compile(optimizer, loss, metrics=["accuracy"])
    data = _from_split(examples, recipe, seed) if isinstance(examples, Split) else _from_arrays(*examples, recipe, seed)
    with unwrap_data_errors():
        epochs = len(model.fit(**data, epochs=recipe.epochs, verbose=0, callbacks=hooks).epoch)
    passes.add(epochs * count, epochs * recipe.trained(count))


def _from_arrays(inputs: Any, labels: Labels, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Arguments of Keras's `fit` for arrays. The last of them are its validation share."""
    if recipe.validation:
        order = np.random.default_rng(seed).permutation(len(labels))
        inputs, labels = tf.nest.map_structure(lambda array: array[order], (inputs, labels))
    return {"x": inputs, "y": labels, "batch_size": recipe.batch_size, "validation_split": recipe.validation}


def _from_split(split: Split, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Arguments of Keras's `fit` for images too large for memory; its validation share is the same as for arrays."""
    order = np.random.default_rng(seed).permutation(len(split))
    rest, validation = (Subset(split, np.sort(rows)) for rows in np.split(order, [recipe.trained(len(split))]))
    return {
        "x": rest.batches(recipe.batch_size, seed, epochs=recipe.epochs),
        "steps_per_epoch": recipe.batches(len(split)),
        "validation_data": validation.batches(recipe.batch_size, seed, epochs=1) if recipe.validation else None,
    }
