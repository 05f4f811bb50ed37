"""Small networks whose weights are drawn from a fixed seed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras
from numpy.typing import NDArray
from samples import SHAPE, pictures
from tf_keras import layers

from fineprune import architectures


def seeded(model: keras.Model, seed: int = 0) -> keras.Model:
    """`model` with weights, biases and statistics of BatchNorm drawn at random, none of them zero."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        fan_in = max(1, int(np.prod(variable.shape[:-1])))
        values = random.normal(0, 1.5 / np.sqrt(fan_in), variable.shape)
        if len(variable.shape) == 1:
            values = random.normal(0, 0.3, variable.shape)
        if "variance" in variable.name or "gamma" in variable.name:
            values = 0.5 + np.abs(values)
        variable.assign(values)
    _spread_classes(model)
    return model


def _spread_classes(model: keras.Model) -> None:
    """Weigh what arrives at the last layer so that different images are given different classes."""
    images = pictures(64, model.input_shape[1:]).astype(np.float32) / 255
    arriving = keras.Model(model.inputs, model.layers[-1].input).predict(images, verbose=0)
    kernel, _ = model.layers[-1].get_weights()
    kernel = kernel / (arriving.std(axis=0)[:, None] + 0.01)
    model.layers[-1].set_weights([kernel, -arriving.mean(axis=0) @ kernel])


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


def residual(seed: int = 0) -> keras.Model:
    """BatchNorm behind every convolution, and an addition around two of them: 12 × 10 images, 5 classes."""
    image = layers.Input(SHAPE, name="image")
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="stem")(image)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_norm")(x))
    y = layers.Conv2D(6, 3, padding="same", name="inner")(x)
    y = layers.Activation("relu", name="inner_relu")(layers.BatchNormalization(name="inner_norm")(y))
    y = layers.Conv2D(6, 3, padding="same", name="outer")(y)
    y = layers.BatchNormalization(scale=False, name="outer_norm")(y)
    x = layers.Activation("relu", name="sum_relu")(layers.Add(name="sum")([x, y]))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(5, activation="softmax", name="output")(x)
    return seeded(keras.Model(image, x, name="residual"), seed)


def deepid(seed: int = 0) -> keras.Model:
    return seeded(architectures.deepid((55, 47, 3), 20), seed)


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
