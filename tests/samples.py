"""Images from a fixed seed, in memory and in files of the competition's layout."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fineprune.splits import ArraySplit

SHAPE = (12, 10, 3)


def pictures(count: int, shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> NDArray[np.uint8]:
    """(count, H, W, C), each of another brightness and another tint."""
    random = np.random.default_rng(seed)
    tint = random.uniform(0.1, 1, (count, 1, 1, shape[2]))
    return (random.integers(0, 256, (count, *shape)) * tint).astype(np.uint8)


def split(pixels: NDArray[np.uint8], classes: int, scale: float = 1 / 255) -> ArraySplit:
    """`pixels` labelled 0, 1, … classes − 1, 0, 1, …"""
    return ArraySplit(pixels, np.arange(len(pixels)) % classes, scale)


def write_h5(path: Path, pixels: NDArray[Any], labels: NDArray[Any]) -> Path:
    """A file in the competition's layout: `data` channels first, and `label`."""
    with h5py.File(path, "w") as file:
        file["data"] = pixels.transpose(0, 3, 1, 2)
        file["label"] = labels
    return path
