"""What PyTorch's layers compute, in NumPy, and networks as state dicts with random weights.

Images are (n, channels, height, width), as PyTorch has them; kernels (outputs, inputs, height, width).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tf_keras as keras
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]
StateDict = dict[str, NDArray[np.float32]]


def conv(x: Array, kernel: Array, bias: Any = 0.0, stride: int = 1, padding: int = 0, groups: int = 1) -> Array:
    """`padding` zeros on every side."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = sliding_window_view(x, kernel.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    if groups == 1:
        y = np.tensordot(windows, kernel, axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)
    else:
        y = np.einsum("nchwij,cij->nchw", windows, kernel[:, 0])
    return y + np.reshape(bias, (1, -1, 1, 1))


def pool(x: Array, size: int = 2, stride: int = 2, padding: int = 0) -> Array:
    """Of the largest; what does not fill a window is left out."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=-np.inf)
    windows: Array = sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    largest: Array = windows.max(axis=(4, 5))
    return largest


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


class Net:
    """Computes by a state dict, and draws what it does not have yet: so a network is written once, as its pass."""

    def __init__(self, seed: int = 0) -> None:
        self.state: StateDict = {}
        self._random = np.random.default_rng(seed)

    def _drawn(self, name: str, shape: tuple[int, ...], low: float, high: float) -> Array:
        if name not in self.state:
            self.state[name] = self._random.uniform(low, high, shape).astype(np.float32)
        return self.state[name].astype(np.float64)

    def conv(self, x: Array, name: str, channels: int, size: int, stride: int = 1, **options: Any) -> Array:
        groups, bias = options.get("groups", 1), options.get("bias", False)
        inputs = x.shape[1] // groups
        most = (3 / (inputs * size * size)) ** 0.5
        kernel = self._drawn(f"{name}.weight", (channels, inputs, size, size), -most, most)
        added = self._drawn(f"{name}.bias", (channels,), -0.1, 0.1) if bias else 0.0
        return conv(x, kernel, added, stride, options.get("padding", size // 2), groups)

    def norm(self, x: Array, name: str) -> Array:
        """In inference, with PyTorch's ε."""
        ranges = {"weight": (0.5, 1.5), "bias": (-0.3, 0.3), "running_mean": (-0.3, 0.3), "running_var": (0.001, 1.0)}
        parts = [self._drawn(f"{name}.{part}", (x.shape[1],), *ends) for part, ends in ranges.items()]
        self.state[f"{name}.num_batches_tracked"] = np.array(7)
        scale, shift, mean, variance = (part.reshape(1, -1, 1, 1) for part in parts)
        return (x - mean) / np.sqrt(variance + 1e-5) * scale + shift

    def linear(self, x: Array, name: str, outputs: int) -> Array:
        most = (3 / x.shape[1]) ** 0.5
        kernel = self._drawn(f"{name}.weight", (outputs, x.shape[1]), -most, most)
        return x @ kernel.T + self._drawn(f"{name}.bias", (outputs,), -0.1, 0.1)


Forward = Callable[[Net, Array, int], Array]


def preact_resnet18(net: Net, x: Array, classes: int) -> Array:
    x = net.conv(x, "conv1", 64, 3)
    for layer, channels in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            x = _preactivated(
                net, x, channels, 2 if layer > 1 and block == 0 else 1, f"layer{layer}.{block}", "shortcut.0"
            )
    return net.linear(x.mean(axis=(2, 3)), "linear", classes)


def wrn_10_2(net: Net, x: Array, classes: int) -> Array:
    x = net.conv(x, "conv1", 16, 3)
    for group, channels in enumerate((32, 64, 128), start=1):
        x = _preactivated(net, x, channels, 2 if group > 1 else 1, f"block{group}.layer.0", "convShortcut")
    return net.linear(relu(net.norm(x, "bn1")).mean(axis=(2, 3)), "fc", classes)


def _preactivated(net: Net, x: Array, channels: int, stride: int, name: str, shortcut: str) -> Array:
    active = relu(net.norm(x, f"{name}.bn1"))
    y = net.conv(active, f"{name}.conv1", channels, 3, stride)
    y = net.conv(relu(net.norm(y, f"{name}.bn2")), f"{name}.conv2", channels, 3)
    if stride > 1 or x.shape[1] != channels:
        x = net.conv(active, f"{name}.{shortcut}", channels, 1, stride)
    return x + y


def resnet18(net: Net, x: Array, classes: int) -> Array:
    x = relu(net.norm(net.conv(x, "conv1", 64, 3), "bn1"))
    return net.linear(_blocks(net, x, "shortcut"), "linear", classes)


def resnet18_imagenet(net: Net, x: Array, classes: int) -> Array:
    x = relu(net.norm(net.conv(x, "conv1", 64, 7, 2), "bn1"))
    return net.linear(_blocks(net, pool(x, 3, 2, 1), "downsample"), "fc", classes)


def _blocks(net: Net, x: Array, shortcut: str) -> Array:
    for layer, channels in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            name, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            y = relu(net.norm(net.conv(x, f"{name}.conv1", channels, 3, stride), f"{name}.bn1"))
            y = net.norm(net.conv(y, f"{name}.conv2", channels, 3), f"{name}.bn2")
            if stride > 1:
                x = net.conv(x, f"{name}.{shortcut}.0", channels, 1, stride)
                x = net.norm(x, f"{name}.{shortcut}.1")
            x = relu(x + y)
    means: Array = x.mean(axis=(2, 3))
    return means


def small_vgg(net: Net, x: Array, classes: int) -> Array:
    for number, channels in ((0, 32), (3, 32), (8, 64), (11, 64), (16, 128), (19, 128)):
        x = net.norm(net.conv(x, f"features.{number}", channels, 3, bias=True), f"features.{number + 1}")
        x = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
        x = pool(x) if number in (3, 11, 19) else x
    return net.linear(x.reshape(len(x), -1), "classifier", classes)


def vgg16_bn(net: Net, x: Array, classes: int) -> Array:
    number = 0
    for block, convolutions in enumerate((2, 2, 3, 3, 3)):
        for _ in range(convolutions):
            x = net.conv(x, f"features.{number}", min(64 * 2**block, 512), 3, bias=True)
            x = relu(net.norm(x, f"features.{number + 1}"))
            number += 3
        x, number = pool(x), number + 1
    return net.linear(x.reshape(len(x), -1), "classifier", classes)


def mobilenet_v2(net: Net, x: Array, classes: int) -> Array:
    x, number = relu(net.norm(net.conv(x, "conv1", 32, 3), "bn1")), 0
    stages = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for expansion, channels, blocks, first in stages:
        for block in range(blocks):
            name, stride, between = f"layers.{number}", first if block == 0 else 1, expansion * x.shape[1]
            y = relu(net.norm(net.conv(x, f"{name}.conv1", between, 1), f"{name}.bn1"))
            y = relu(net.norm(net.conv(y, f"{name}.conv2", between, 3, stride, groups=between), f"{name}.bn2"))
            y = net.norm(net.conv(y, f"{name}.conv3", channels, 1), f"{name}.bn3")
            if stride == 1 and x.shape[1] != channels:
                x = net.norm(net.conv(x, f"{name}.shortcut.0", channels, 1), f"{name}.shortcut.1")
            x, number = x + y if stride == 1 else y, number + 1
    x = relu(net.norm(net.conv(x, "conv2", 1280, 1), "bn2"))
    return net.linear(x.mean(axis=(2, 3)), "linear", classes)


def deepid(net: Net, x: Array, classes: int) -> Array:
    x = pool(relu(net.conv(x, "conv1", 20, 4, bias=True, padding=0)))
    x = pool(relu(net.conv(x, "conv2", 40, 3, bias=True, padding=0)))
    x = pool(relu(net.conv(x, "conv3", 60, 3, bias=True, padding=0)))
    fine = relu(net.conv(x, "conv4", 80, 2, bias=True, padding=0))
    coarse = net.linear(x.reshape(len(x), -1), "fc1", 160)
    return net.linear(relu(coarse + net.linear(fine.reshape(len(x), -1), "fc2", 160)), "fc_final", classes)


FORWARD: dict[str, tuple[Forward, tuple[int, int]]] = {
    "preact_resnet18": (preact_resnet18, (32, 32)),
    "wrn_10_2": (wrn_10_2, (32, 32)),
    "resnet18": (resnet18, (32, 32)),
    "resnet18_imagenet": (resnet18_imagenet, (67, 64)),
    "small_vgg": (small_vgg, (32, 32)),
    "vgg16_bn": (vgg16_bn, (32, 64)),
    "mobilenet_v2": (mobilenet_v2, (32, 32)),
    "deepid": (deepid, (55, 47)),
}


def as_pytorch(model: keras.Model) -> StateDict:
    """The weights of a published network that was converted to Keras under other names, as PyTorch has them again.

    For I-BAU's network, whose layers are conv_N and norm_N, and for NAD's and ABL's, with conv_1a_1 and so on.
    """
    state: StateDict = {}
    flat = next((layer for layer in model.layers if isinstance(layer, keras.layers.Flatten)), None)
    for layer in model.layers:
        kernel, *rest = layer.get_weights() or [None]
        name = _published(layer.name, flat is not None)
        if kernel is None:
            continue
        if isinstance(layer, keras.layers.BatchNormalization):
            parts = zip(("weight", "bias", "running_mean", "running_var"), (kernel, *rest), strict=True)
            state |= {f"{name}.{part}": values for part, values in parts}
            continue
        if kernel.ndim == 2 and flat is not None:
            kernel = kernel.reshape(*flat.input_shape[1:], -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
        state[f"{name}.weight"] = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
        state |= {f"{name}.bias": values for values in rest}
    return state


def _published(layer: str, small_vgg: bool) -> str:
    kind, _, place = layer.partition("_")
    if layer == "output":
        return "classifier" if small_vgg else "fc"
    if place in ("stem", "top"):
        return {"stem": "conv1", "top": "bn1"}[place]
    if kind not in ("conv", "norm"):
        return ""
    if small_vgg:
        return f"features.{(0, 3, 8, 11, 16, 19)[int(place) - 1] + (kind == 'norm')}"
    block, _, which = place.partition("_")
    name = "convShortcut" if which == "shortcut" else f"{'bn' if kind == 'norm' else 'conv'}{which}"
    return f"block{block[0]}.layer.{'ab'.index(block[1])}.{name}"
