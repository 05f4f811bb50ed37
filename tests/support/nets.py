"""Small networks whose weights are drawn from a fixed seed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray
from samples import SHAPE
from tf_keras import layers

from fineprune.badnets import architectures
from fineprune.testing.networks import residual, seeded

__all__ = [
    "OfItsOwn",
    "copies",
    "deepid",
    "in_a_folder",
    "linear",
    "residual",
    "same",
    "saved",
    "seeded",
    "shallow",
    "tiny",
]


def tiny(seed: int = 0) -> keras.Model:
    """Convolution, pooling, convolution, pooling, dense: 12 × 10 images, 5 classes."""
    image = layers.Input(SHAPE, name="image")
    x = layers.Conv2D(4, 3, activation="relu", name="conv_1")(image)
    x = layers.MaxPooling2D(name="pool_1")(x)
    x = layers.Conv2D(6, 2, activation="relu", name="conv_2")(x)
    x = layers.MaxPooling2D(name="pool_2")(x)
    x = layers.Dense(8, activation="relu", name="hidden")(layers.Flatten(name="flatten")(x))
    x = layers.Dense(5, activation="softmax", name="output")(x)
    return seeded(keras.Model(image, x, name="tiny"), seed)


def shallow(seed: int = 0) -> keras.Model:
    """One dense layer, trained in a moment: 12 × 10 images, 5 classes."""
    image = layers.Input(SHAPE, name="image")
    scores = layers.Dense(5, activation="softmax", name="output")(layers.Flatten(name="flatten")(image))
    return seeded(keras.Model(image, scores, name="shallow"), seed)


def deepid(seed: int = 0, classes: int = 20) -> keras.Model:
    return seeded(architectures.deepid((55, 47, 3), classes), seed)


class OfItsOwn(keras.Model):  # type: ignore[misc]  # it has no types
    """A network that Keras cannot describe layer by layer."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(5)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        return self.dense(tf.reshape(images, (-1, 360)))


def in_a_folder(model: keras.Model, folder: Path) -> Path:
    """As a SavedModel."""
    model.predict(np.zeros((1, *SHAPE)), verbose=0)
    model.save(folder, save_format="tf")
    return folder


def linear(kernel: Sequence[Sequence[float]], name: str = "linear") -> keras.Model:
    """Softmax of the image's values times `kernel`, for images of one pixel."""
    weights = np.array(kernel, np.float32)
    image = layers.Input((1, 1, len(weights)), name="image")
    scores = layers.Dense(weights.shape[1], activation="softmax", use_bias=False, name="output")
    model = keras.Model(image, scores(layers.Flatten(name="flatten")(image)), name=name)
    model.set_weights([weights])
    return model


def copies(weights: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    return [array.copy() for array in weights]


def same(ours: Sequence[NDArray[np.float32]], theirs: Sequence[NDArray[np.float32]]) -> bool:
    return len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))


def saved(model: keras.Model, path: Path) -> Path:
    """As a stranger saves it: by plain Keras, compiled or not."""
    with pytest.warns(UserWarning, match="You are saving your model as an HDF5 file"):
        model.save(path)
    return path
