"""Layers that compute what PyTorch's do, under names that its state dicts have too.

A layer is named as the module of the state dict that its weights come from: of letters and digits alone both are equal.
The last layer is `output`, whatever it is called there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tf_keras as keras


def conv(x: Any, channels: int, size: int, name: str, stride: int = 1, bias: bool = False) -> Any:
    """A convolution that pads by `size // 2` on each side, as PyTorch's: Keras's "same" pads strided ones elsewhere."""
    from tf_keras import layers

    x, padding = _padded(x, size, name, stride)
    return layers.Conv2D(channels, size, stride, padding, use_bias=bias, name=name)(x)


def depthwise(x: Any, size: int, name: str, stride: int = 1) -> Any:
    """A convolution of each channel by itself, padded as `conv`, without bias."""
    from tf_keras import layers

    x, padding = _padded(x, size, name, stride)
    return layers.DepthwiseConv2D(size, stride, padding, use_bias=False, name=name)(x)


def _padded(x: Any, size: int, name: str, stride: int) -> tuple[Any, str]:
    """What a convolution takes in, and how it pads that itself."""
    from tf_keras import layers

    if stride == 1 or size == 1:
        return x, "same"
    return layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x), "valid"


def norm(x: Any, name: str) -> Any:
    """A batch normalisation with PyTorch's ε, 1e-5, and momentum, which it calls 0.1."""
    from tf_keras import layers

    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)


def relu(x: Any, name: str) -> Any:
    """max(x, 0)."""
    from tf_keras import layers

    return layers.ReLU(name=name)(x)


def normed(x: Any, channels: int, size: int, names: tuple[str, str], stride: int = 1, active: bool = True) -> Any:
    """A convolution and its batch normalisation, called `names`, and, where `active`, a ReLU."""
    x = norm(conv(x, channels, size, names[0], stride), names[1])
    return relu(x, f"{names[1]}_relu") if active else x


def added(x: Any, y: Any, name: str) -> Any:
    """x + y."""
    from tf_keras import layers

    return layers.Add(name=name)([x, y])


def classifier(image: Any, x: Any, classes: int, name: str) -> keras.Model:
    """The network from `image` to the probabilities of `classes` by one dense layer; those of PyTorch end in logits."""
    import tf_keras as keras
    from tf_keras import layers

    return keras.Model(image, layers.Dense(classes, activation="softmax", name="output")(x), name=name)


def of_means(image: Any, x: Any, classes: int, name: str) -> keras.Model:
    """The network that classifies the mean of each channel of `x`."""
    from tf_keras import layers

    return classifier(image, layers.GlobalAveragePooling2D(name="pool")(x), classes, name)
