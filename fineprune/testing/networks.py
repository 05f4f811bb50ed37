"""Small networks of many kinds, with random weights from a fixed seed, and images to show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tf_keras as keras
from numpy.typing import NDArray

layers = keras.layers

SHAPE, CLASSES = (12, 10, 3), 5


def _classifier(image: Any, x: Any, name: str) -> keras.Model:
    return seeded(keras.Model(image, layers.Dense(CLASSES, activation="softmax", name="output")(x), name=name))


def plain() -> keras.Model:
    """Convolution, pooling, convolution, pooling, dense; without BatchNorm."""
    image = layers.Input(SHAPE, name="image")
    x = layers.Conv2D(4, 3, activation="relu", name="conv_1")(image)
    x = layers.MaxPooling2D(name="pool_1")(x)
    x = layers.Conv2D(6, 2, activation="relu", name="conv_2")(x)
    x = layers.Flatten(name="flatten")(layers.MaxPooling2D(name="pool_2")(x))
    return _classifier(image, layers.Dense(8, activation="relu", name="hidden")(x), "plain")


def normalised(use_bias: bool = False) -> keras.Model:
    """BatchNorm between convolution and activation, without bias."""
    image = layers.Input(SHAPE, name="image")
    x = image
    for number, channels in enumerate((4, 6), start=1):
        x = layers.Conv2D(channels, 3, use_bias=use_bias, name=f"conv_{number}")(x)
        x = layers.ReLU(name=f"relu_{number}")(layers.BatchNormalization(name=f"norm_{number}")(x))
    return _classifier(image, layers.GlobalAveragePooling2D(name="pool")(x), "normalised")


def residual() -> keras.Model:
    """A sum of two branches before the pooling, each with BatchNorm, one of them without γ."""
    image = layers.Input(SHAPE, name="image")
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="stem")(image)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_norm")(x))
    y = layers.Conv2D(6, 3, padding="same", name="inner")(x)
    y = layers.Activation("relu", name="inner_relu")(layers.BatchNormalization(name="inner_norm")(y))
    y = layers.Conv2D(6, 3, padding="same", name="outer")(y)
    y = layers.BatchNormalization(scale=False, name="outer_norm")(y)
    x = layers.Activation("relu", name="sum_relu")(layers.Add(name="sum")([x, y]))
    return _classifier(image, layers.GlobalAveragePooling2D(name="pool")(x), "residual")


def concatenated() -> keras.Model:
    """Two branches side by side, then BatchNorm and activation, before the pooling; one of them separable."""
    image = layers.Input(SHAPE, name="image")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="stem")(image)
    y = layers.PReLU(name="branch_prelu")(layers.SeparableConv2D(3, 3, padding="same", name="branch")(x))
    x = layers.BatchNormalization(name="norm")(layers.Concatenate(name="concat")([x, y]))
    x = layers.Activation("relu", name="relu")(x)
    return _classifier(image, layers.GlobalAveragePooling2D(name="pool")(x), "concatenated")


def nested() -> keras.Model:
    """A network inside the network, as transfer learning makes it."""
    inside = plain()
    base = keras.Model(inside.inputs, inside.get_layer("pool_2").output, name="base")
    image = layers.Input(SHAPE, name="image")
    return _classifier(image, layers.GlobalAveragePooling2D(name="pool")(base(image)), "nested")


def grayscale() -> keras.Model:
    """For images of one channel."""
    image = layers.Input((*SHAPE[:2], 1), name="image")
    x = layers.MaxPooling2D(name="pool")(layers.Conv2D(4, 3, activation="relu", name="conv")(image))
    return _classifier(image, layers.Flatten(name="flatten")(x), "grayscale")


def one_channel() -> keras.Model:
    """A single channel before the pooling."""
    image = layers.Input(SHAPE, name="image")
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(1, 3, name="conv")(image))
    x = layers.MaxPooling2D(name="pool")(layers.ReLU(name="relu")(x))
    return _classifier(image, layers.Flatten(name="flatten")(x), "one_channel")


def no_pooling() -> keras.Model:
    """Convolutions with strides instead."""
    image = layers.Input(SHAPE, name="image")
    x = layers.Conv2D(4, 3, 2, activation="relu", name="conv")(image)
    return _classifier(image, layers.Flatten(name="flatten")(x), "no_pooling")


NETWORKS: Mapping[str, Callable[[], keras.Model]] = {
    build.__name__: build
    for build in (plain, normalised, residual, concatenated, nested, grayscale, one_channel, no_pooling)
}


def seeded(model: keras.Model, seed: int = 0) -> keras.Model:
    """`model` with all weights and statistics drawn at random, none of them zero, that gives images many classes."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        fan_in = max(1, int(np.prod(variable.shape[:-1])))
        values = random.normal(0, 1.5 / np.sqrt(fan_in), variable.shape)
        if len(variable.shape) == 1:
            values = random.normal(0, 0.3, variable.shape)
        positive = "variance" in variable.name or "gamma" in variable.name
        variable.assign((0.5 + np.abs(values) if positive else values).astype(variable.dtype.as_numpy_dtype))
    for layer in model._flatten_layers():
        layer.finalize_state()
    images = pictures(64, model.input_shape[1:]).astype(np.float32) / 255
    features = keras.Model(model.inputs, model.layers[-1].input)(images).numpy()  # tracing takes longer
    kernel = model.layers[-1].get_weights()[0] / (features.std(axis=0)[:, None] + 0.01)
    model.layers[-1].set_weights([kernel, -features.mean(axis=0) @ kernel])
    return model


def pictures(count: int, shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> NDArray[np.uint8]:
    """Random images, (count, H, W, C), each of another brightness and another tint."""
    random = np.random.default_rng(seed)
    tint = random.uniform(0.1, 1, (count, 1, 1, shape[2]))
    return (random.integers(0, 256, (count, *shape)) * tint).astype(np.uint8)
