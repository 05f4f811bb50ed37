"""Dense layers and convolutions as matrix products in NumPy, with an estimate of what rounding does to them.

NumPy multiplies the small matrices behind a network's convolutions two to three times as fast as TensorFlow, whatever
their number of rows, and finds the largest of many scores thirty times as fast.

Rounding: a product of `x` and a kernel is taken to be off by UNIT · ‖kernel‖ · ‖x‖, and an error that arrives with `x`
to leave multiplied by ‖kernel‖ / √(inputs), both as root mean squares of independent errors (Higham and Mary, "A new
approach to probabilistic rounding error analysis", 2019). This is an estimate, no proof: a
worst-case bound came out a thousand times as large as the errors measured on the competition's lab BadNet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tf_keras as keras
from numpy.typing import NDArray

UNIT = 2.0**-24  # half the distance of 1 to the next float32

Floats = NDArray[np.float32]


def norm(values: Floats) -> float:
    """The largest Euclidean norm of a row of `values`, (n, …)."""
    flat = values.reshape(len(values), -1)
    return float(np.sqrt(np.einsum("ij,ij->i", flat, flat).max(initial=0)))


@dataclass(frozen=True)
class Rounded:
    """Values, (n, …), and the root mean square of the norm of the error in each row."""

    values: Floats
    error: float

    def map(self, values: Floats) -> Rounded:
        return Rounded(values, self.error)


@dataclass(frozen=True)
class Weights:
    """What a dense layer multiplies by, (inputs, units), and adds."""

    kernel: Floats
    bias: Floats | float

    @classmethod
    def of(cls, arrays: Sequence[Floats]) -> Weights:
        """From the arrays of a layer, which may lack a bias."""
        kernel, *bias = arrays
        return cls(kernel, bias[0] if bias else 0.0)

    @cached_property
    def size(self) -> float:
        return float(np.linalg.norm(self.kernel))

    @cached_property
    def largest(self) -> float:
        """The norm of the largest column."""
        return float(np.linalg.norm(self.kernel, axis=0).max())


def dense(inputs: Rounded, weights: Weights) -> Rounded:
    """`inputs`, (n, inputs), times the kernel, plus the bias."""
    values = inputs.values @ weights.kernel
    values += weights.bias
    passed = inputs.error / np.sqrt(len(weights.kernel))
    return Rounded(values, float(weights.size * np.hypot(passed, UNIT * norm(inputs.values))))


def scores(inputs: Rounded, weights: Weights) -> Rounded:
    """As `dense`, with the root mean square of the error of a single score."""
    outputs = dense(inputs, weights)
    return Rounded(outputs.values, outputs.error * weights.largest / weights.size if weights.size else 0.0)


def _picture(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(height, width, channels), where `shape` may be (channels,)."""
    return (1, 1, *shape)[-3:]


@dataclass(frozen=True)
class LinearConsumer:
    """A layer that is linear in the channels that it takes in: a convolution, or a dense layer as one.

    A dense layer behind a Flatten is a convolution whose window is the whole picture. `kernel` is
    (rows, columns, channels, units), `shape` that of what the layer emits for an image.
    """

    kernel: Floats
    bias: Floats | float
    strides: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, layer: Any, input_shape: tuple[int, ...]) -> LinearConsumer:
        """`layer`, fed by activations of the shape `input_shape`: (height, width, channels) or (channels,)."""
        kernel, *rest = layer.get_weights()
        bias = rest[0] if rest else 0.0
        if isinstance(layer, keras.layers.Dense):
            return cls(
                kernel.reshape(*_picture(input_shape), -1), bias, (1, 1), (1, 1), ((0, 0), (0, 0)), kernel.shape[-1:]
            )
        shape = tuple(layer.compute_output_shape((None, *input_shape))[1:])
        reach = [(size - 1) * step + 1 for size, step in zip(kernel.shape, layer.dilation_rate, strict=False)]
        total = [
            max((out - 1) * stride + window - size, 0) if layer.padding == "same" else 0
            for out, stride, window, size in zip(shape, layer.strides, reach, input_shape, strict=False)
        ]
        top, left = ((pad // 2, pad - pad // 2) for pad in total)
        return cls(kernel, bias, layer.strides, layer.dilation_rate, (top, left), shape)

    def contribution(self, activations: Floats, channels: NDArray[np.intp]) -> Floats:
        """What `activations`, (n, [height, width,] k), of `channels`, (k,), add to the output, (n, …)."""
        windows = self._windows(activations.reshape(len(activations), *_picture(activations.shape[1:])))
        kernel = self.kernel[:, :, channels].reshape(-1, self.kernel.shape[-1])
        return (windows @ kernel).reshape(-1, *self.shape)

    def _windows(self, activations: Floats) -> Floats:
        rows, columns, _, _ = self.kernel.shape
        if activations.shape[1:3] == (rows, columns) and self.shape[:-1] in ((), (1, 1)):
            return activations.reshape(len(activations), -1)
        padded = np.pad(activations, ((0, 0), *self.padding, (0, 0))) if np.any(self.padding) else activations
        (down, across), (deep, wide) = self.strides, self.dilation
        reach = ((rows - 1) * deep + 1, (columns - 1) * wide + 1)
        view = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(1, 2))
        view = view[:, ::down, ::across, :, ::deep, ::wide].transpose(0, 1, 2, 4, 5, 3)
        return view.reshape(-1, rows * columns * activations.shape[-1])

    def error(self, input_norm: float, updates: int) -> float:
        """The error of the output after so many updates, where `input_norm` is the largest norm of its inputs."""
        return UNIT * (self._gain * input_norm + self._offset) * float(np.sqrt(1 + updates))

    @cached_property
    def _gain(self) -> float:
        """No less than what the layer can multiply a norm by: each input is in at most so many windows."""
        windows = min(int(np.prod(self.kernel.shape[:2])), int(np.prod(self.shape[:-1])))
        return float(np.linalg.norm(self.kernel)) * float(np.sqrt(windows))

    @cached_property
    def _offset(self) -> float:
        return float(np.linalg.norm(np.broadcast_to(self.bias, self.shape)))


@dataclass(frozen=True)
class NonlinearConsumer:
    """A layer that is not linear in its channels: it gets them all, as they are. `shape` is that of an image's."""

    shape: tuple[int, ...]
    bias = 0.0

    def contribution(self, activations: Floats, channels: NDArray[np.intp]) -> Floats:
        """The `activations`, (n, [height, width,] k), in their places among zeros."""
        values = np.zeros((len(activations), *self.shape), np.float32)
        values[..., channels] = activations
        return values

    def error(self, input_norm: float, updates: int) -> float:
        """What multiplying by masks between 0 and 1 and adding the differences of them leaves."""
        return UNIT * input_norm * float(np.sqrt(updates))
