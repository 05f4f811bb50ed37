"""MobileNetV2 (Sandler et al., CVPR 2018) for small images, as it is published for PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fineprune.badnets.architectures.layers import added, depthwise, norm, normed, of_means, relu

if TYPE_CHECKING:
    import tf_keras as keras

# Expansion, channels, blocks, and the stride of the first of them.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def mobilenet_v2(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """For (H, W, C) images of 32 px: fewer strides than for ImageNet, ReLU rather than ReLU6, a shortcut per block."""
    from tf_keras import layers

    image = layers.Input(input_shape, name="input")
    x = normed(image, 32, 3, ("conv1", "bn1"))
    strides = [
        (expansion, channels, stride if number == 0 else 1)
        for expansion, channels, blocks, stride in STAGES
        for number in range(blocks)
    ]
    for number, (expansion, channels, stride) in enumerate(strides):
        x = _block(x, expansion * x.shape[-1], channels, stride, f"layers_{number}")
    return of_means(image, normed(x, 1280, 1, ("conv2", "bn2")), classes, "mobilenet_v2")


def _block(x: Any, between: int, channels: int, stride: int, name: str) -> Any:
    """To `between` channels, each convolved by itself, and to `channels`, which have no activation."""
    y = normed(x, between, 1, (f"{name}_conv1", f"{name}_bn1"))
    y = norm(depthwise(y, 3, f"{name}_conv2", stride), f"{name}_bn2")
    y = normed(relu(y, f"{name}_bn2_relu"), channels, 1, (f"{name}_conv3", f"{name}_bn3"), active=False)
    if stride > 1:
        return y
    if x.shape[-1] != channels:
        x = normed(x, channels, 1, (f"{name}_shortcut_0", f"{name}_shortcut_1"), active=False)
    return added(x, y, f"{name}_add")
