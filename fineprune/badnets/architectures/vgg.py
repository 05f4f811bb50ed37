"""VGG networks with batch normalisation (Simonyan and Zisserman, ICLR 2015), as they are published for PyTorch.

Layers have the number that they have in PyTorch's `features`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import TYPE_CHECKING, Any

from fineprune.badnets.architectures.layers import classifier, conv, norm, relu
from fineprune.errors import ModelError

if TYPE_CHECKING:
    import tf_keras as keras

Shape = tuple[int, int, int]
Activation = Callable[[Any, str], Any]
POOLED_TO = 7  # pixels, by torchvision, whatever the size of the images


def vgg16_bn(input_shape: Shape, classes: int) -> keras.Model:
    """VGG-16 with one dense layer, for (H, W, C) images from 32 px."""
    image, x = _features(input_shape, (2, 2, 3, 3, 3))
    return _flat(image, x, classes, "vgg16_bn")


def vgg19_bn(input_shape: Shape, classes: int) -> keras.Model:
    """VGG-19 with one dense layer, for (H, W, C) images from 32 px."""
    image, x = _features(input_shape, (2, 2, 4, 4, 4))
    return _flat(image, x, classes, "vgg19_bn")


def vgg16_bn_imagenet(input_shape: Shape, classes: int) -> keras.Model:
    """VGG-16 with torchvision's three dense layers, for images of 32 or 224 px."""
    image, x = _features(input_shape, (2, 2, 3, 3, 3))
    return classifier(image, _dense(x), classes, "vgg16_bn_imagenet")


def vgg19_bn_imagenet(input_shape: Shape, classes: int) -> keras.Model:
    """VGG-19 with torchvision's three dense layers, as BackdoorBench takes it for CIFAR-10; images of 32 or 224 px."""
    image, x = _features(input_shape, (2, 2, 4, 4, 4))
    return classifier(image, _dense(x), classes, "vgg19_bn_imagenet")


def small_vgg(input_shape: Shape, classes: int) -> keras.Model:
    """I-BAU's network: six convolutions, each followed by BatchNorm and ELU; for images of 32 px (Zeng et al., 2022).

    The authors' Dropout, 0.3, 0.4 and 0.4 behind the poolings, is left out: it matters only in training.
    """
    from tf_keras import layers

    def elu(x: Any, name: str) -> Any:
        return layers.ELU(name=name)(x)

    image, x = _features(input_shape, (2, 2, 2), 32, elu, dropout=True)
    return _flat(image, x, classes, "small_vgg")


def _features(
    input_shape: Shape, blocks: Iterable[int], first: int = 64, active: Activation = relu, dropout: bool = False
) -> tuple[Any, Any]:
    """The image and what arrives behind the last pooling: of each block the convolutions, twice as wide as before.

    With `dropout` a number is left out behind each pooling, where PyTorch's network has one.
    """
    from tf_keras import layers

    number = count()
    image = x = layers.Input(input_shape, name="input")
    for block, convolutions in enumerate(blocks):
        for _ in range(convolutions):
            x = conv(x, min(first * 2**block, 512), 3, f"features_{next(number)}", bias=True)
            x = norm(x, f"features_{next(number)}")
            x = active(x, f"features_{next(number)}")
        x = layers.MaxPooling2D(2, name=f"features_{next(number)}")(x)
        if dropout:
            next(number)
    return image, x


def _flat(image: Any, x: Any, classes: int, name: str) -> keras.Model:
    from tf_keras import layers

    return classifier(image, layers.Flatten(name="flatten")(x), classes, name)


def _dense(x: Any) -> Any:
    """Two dense layers behind 7×7 pixels; Dropout is left out."""
    from tf_keras import layers

    height, width = x.shape[1:3]
    if POOLED_TO % height or POOLED_TO % width:
        raise ModelError(
            f"expected images of 32 or 224 px for torchvision's VGG, got {height} by {width} pixels behind its last "
            "pooling: take images of that size, or another architecture"
        )
    x = layers.UpSampling2D((POOLED_TO // height, POOLED_TO // width), name="avgpool")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(4096, activation="relu", name="classifier_0")(x)
    return layers.Dense(4096, activation="relu", name="classifier_3")(x)
