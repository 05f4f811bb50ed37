"""Images from a fixed seed, in memory and in files of the competition's layout."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit
from fineprune.testing.networks import SHAPE, pictures

__all__ = ["BYTES", "SHAPE", "Counted", "pictures", "split", "write_h5"]

BYTES = 4 * 12 * 10 * 3  # of such an image, as a network takes it


def split(pixels: NDArray[np.uint8], classes: int, scale: float = 1 / 255) -> ArraySplit:
    """`pixels` labelled 0, 1, … classes − 1, 0, 1, …"""
    return ArraySplit(pixels, np.arange(len(pixels)) % classes, Scaling(scale))


class Counted(ArraySplit):
    """Images labelled 0, 1, … which remember how many of them were read at a time."""

    def __init__(self, count: int, classes: int) -> None:
        super().__init__(pictures(count), np.arange(count) % classes, Scaling(1 / 255))
        self.reads: list[int] = []

    def pixels(self, start: int, stop: int) -> NDArray[np.float32]:
        self.reads.append(stop - start)
        return super().pixels(start, stop)


def write_h5(path: Path, pixels: NDArray[Any], labels: NDArray[Any]) -> Path:
    """A file in the competition's layout: `data` channels first, and `label`."""
    with h5py.File(path, "w") as file:
        file["data"] = pixels.transpose(0, 3, 1, 2)
        file["label"] = labels
    return path
