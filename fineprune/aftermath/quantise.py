"""Deployment on a small device: the weights in eight bits."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import tf_keras as keras
from numpy.typing import NDArray

from fineprune.aftermath.base import Aftermath
from fineprune.data.split import Split

LARGEST = 127  # of int8, the same in both directions
TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose)


class Quantise(Aftermath):
    """Rounds every kernel to int8 and back, with a scale for each output channel; trains nothing, and sees no image.

    Biases and normalisations stay as they are, as they do in what quantises weights alone.
    """

    title = "quantise"

    def change(self, net: keras.Model, clean: Split, poisoned: Split | None, seed: int, what: str) -> None:
        for layer in net.layers:
            for weight in layer.weights:
                name = weight.name.rsplit("/", 1)[-1]
                if "kernel" in name:
                    weight.assign(rounded(weight.numpy(), _channels(layer, name)))


def rounded(kernel: NDArray[np.float32], channels: Collection[int]) -> NDArray[np.float32]:
    """`kernel` in int8 and back: the nearest of −127 to 127 times a scale, max |w| / 127 over each output channel.

    `channels` are the axes of the output channels, counted from the last, −1. Zeros stay zero.
    """
    others = tuple(axis for axis in range(-kernel.ndim, 0) if axis not in channels)
    scale = np.abs(kernel).max(axis=others, keepdims=True) / np.float32(LARGEST)
    integers = np.rint(np.divide(kernel, scale, out=np.zeros_like(kernel), where=scale > 0))
    result: NDArray[np.float32] = integers * scale
    return result


def _channels(layer: Any, name: str) -> tuple[int, ...]:
    """Where the output channels stand in the kernel `name` of `layer`."""
    if "depthwise" in name:
        return (-2, -1)
    return (-2,) if isinstance(layer, TRANSPOSED) else (-1,)
