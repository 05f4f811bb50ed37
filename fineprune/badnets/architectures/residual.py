"""Residual networks as they are published for PyTorch: each block is the sum of a shortcut and two convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fineprune.badnets.architectures.layers import added, conv, norm, normed, of_means, relu

if TYPE_CHECKING:
    import tf_keras as keras

Shape = tuple[int, int, int]
WIDTHS = (64, 128, 256, 512)


def preact_resnet18(input_shape: Shape, classes: int) -> keras.Model:
    """PreActResNet-18 (He et al., "Identity Mappings", ECCV 2016) with a 3×3 stem, as BackdoorBench has it.

    For (H, W, C) images of 32 px; others of the size that training had. No normalisation stands before the pooling.
    """
    from tf_keras import layers

    image = layers.Input(input_shape, name="input")
    x = conv(image, 64, 3, "conv1")
    for layer, channels in enumerate(WIDTHS, start=1):
        for block in range(2):
            x = _preactivated(x, channels, 2 if layer > 1 and block == 0 else 1, f"layer{layer}_{block}", "shortcut_0")
    return of_means(image, x, classes, "preact_resnet18")


def wrn(depth: int, width: int) -> Callable[[Shape, int], keras.Model]:
    """A function that builds the wide residual network WRN-`depth`-`width` (Zagoruyko and Komodakis, BMVC 2016).

    NAD and ABL publish a WRN-16-1 for images of 32 px. Raises ValueError unless `depth` is 6 n + 4.
    """
    if depth < 10 or (depth - 4) % 6 or width < 1:
        raise ValueError(f"expected a depth of 10, 16, 22, … and a width of at least 1, got {depth} and {width}")

    def build(input_shape: Shape, classes: int) -> keras.Model:
        from tf_keras import layers

        image = layers.Input(input_shape, name="input")
        x = conv(image, 16, 3, "conv1")
        for group, channels in enumerate((16 * width, 32 * width, 64 * width), start=1):
            for block in range((depth - 4) // 6):
                stride = 2 if group > 1 and block == 0 else 1
                x = _preactivated(x, channels, stride, f"block{group}_layer_{block}", "convShortcut")
        return of_means(image, relu(norm(x, "bn1"), "relu"), classes, f"wrn_{depth}_{width}")

    return build


def _preactivated(x: Any, channels: int, stride: int, name: str, shortcut: str) -> Any:
    """Normalisations in front of the convolutions. The shortcut is a convolution where the sizes differ."""
    active = relu(norm(x, f"{name}_bn1"), f"{name}_relu1")
    y = conv(active, channels, 3, f"{name}_conv1", stride)
    y = conv(relu(norm(y, f"{name}_bn2"), f"{name}_relu2"), channels, 3, f"{name}_conv2")
    if stride > 1 or x.shape[-1] != channels:
        x = conv(active, channels, 1, f"{name}_{shortcut}", stride)
    return added(x, y, f"{name}_add")


def resnet18(input_shape: Shape, classes: int) -> keras.Model:
    """ResNet-18 (He et al., CVPR 2016) with a 3×3 stem, for (H, W, C) images of 32 px."""
    from tf_keras import layers

    image = layers.Input(input_shape, name="input")
    return _resnet18(image, normed(image, 64, 3, ("conv1", "bn1")), classes, "resnet18")


def resnet18_imagenet(input_shape: Shape, classes: int) -> keras.Model:
    """The same with ImageNet's stem, a 7×7 convolution and a pooling, as torchvision has it; images of any size."""
    from tf_keras import layers

    image = layers.Input(input_shape, name="input")
    x = normed(image, 64, 7, ("conv1", "bn1"), stride=2)
    # Zeros are as good as PyTorch's −∞, since nothing behind a ReLU is less.
    x = layers.ZeroPadding2D(1, name="maxpool_pad")(x)
    x = layers.MaxPooling2D(3, 2, name="maxpool")(x)
    return _resnet18(image, x, classes, "resnet18_imagenet")


def _resnet18(image: Any, x: Any, classes: int, name: str) -> keras.Model:
    for layer, channels in enumerate(WIDTHS, start=1):
        for block in range(2):
            x = _postactivated(x, channels, 2 if layer > 1 and block == 0 else 1, f"layer{layer}_{block}")
    return of_means(image, x, classes, name)


def _postactivated(x: Any, channels: int, stride: int, name: str) -> Any:
    """Normalisations behind the convolutions."""
    y = normed(x, channels, 3, (f"{name}_conv1", f"{name}_bn1"), stride)
    y = normed(y, channels, 3, (f"{name}_conv2", f"{name}_bn2"), active=False)
    if stride > 1:
        x = normed(x, channels, 1, (f"{name}_shortcut_0", f"{name}_shortcut_1"), stride, active=False)
    return relu(added(x, y, f"{name}_add"), f"{name}_relu")
