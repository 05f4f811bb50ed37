"""Labelled images in HDF5 files of the competition's layout."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fineprune.errors import DataError
from fineprune.untrusted import limits
from fineprune.untrusted.hdf5 import blocks, dataset, open_hdf5, read

if TYPE_CHECKING:
    from numpy.typing import NDArray


class StoredImages:
    """A file in the competition's layout: `data` (N, C, H, W), pixels 0–255, and `label` (N,), whole numbers.

    Raises DataError where it has another. Not to be used in this process before the file has been vetted.
    """

    def __init__(self, path: str | Path, name: str) -> None:
        self._path = Path(path)
        file = open_hdf5(path, DataError, f"the {name} images")
        self._stored = dataset(file, "data", DataError)
        self._check_shape(self._stored.shape)
        self.labels = self._read_labels(dataset(file, "label", DataError))

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        where = f"in {self._path}"
        if len(shape) != 4 or shape[1] not in (1, 3):
            raise DataError(
                f"expected 'data' {where} of shape (N, 3, height, width), channels first, got {shape}: transpose it"
            )
        if 0 in shape:
            raise DataError(f"expected at least one image {where}, got none, {shape}: set another file")
        if shape[0] > limits.IMAGES:
            raise DataError(f"expected at most {limits.IMAGES:,} images {where}, got {shape[0]:,}: take a part of them")
        if math.prod(shape[1:]) > limits.IMAGE_VALUES:
            raise DataError(
                f"expected images of at most {limits.IMAGE_VALUES:,} values {where}, got {shape[1:]}: scale them down"
            )

    def _read_labels(self, stored: Any) -> NDArray[np.int64]:
        expected = f"expected 'label' in {self._path}"
        if stored.shape != self._stored.shape[:1]:
            raise DataError(
                f"{expected} of shape {self._stored.shape[:1]}, one an image, got {stored.shape}: give each its class"
            )
        labels = read(stored, slice(None), DataError)
        values = labels.astype(np.float64)  # float16 cannot hold the bound below
        wrong = ~((values >= 0) & (values <= np.iinfo(np.int32).max) & (values == np.floor(values)))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"{expected} to hold whole numbers from 0, got {labels[row]} in row {row}: give classes by number"
            )
        return labels.astype(np.int64)

    @property
    def shape(self) -> tuple[int, int, int]:
        _, channels, height, width = self._stored.shape
        return height, width, channels

    def pixels(self, start: int, stop: int) -> NDArray[np.float32]:
        block = read(self._stored, slice(start, stop), DataError)
        return block.transpose(0, 2, 3, 1).astype(np.float32, order="C")

    def digest(self) -> str:
        """A hash of the pixels. Reads, and so checks, them all."""
        sha = hashlib.sha256()
        for rows in blocks(self._stored, 256):
            block = read(self._stored, rows, DataError)
            self._check_pixels(block, rows.start)
            sha.update(block.tobytes())
        return sha.hexdigest()

    def _check_pixels(self, block: NDArray[Any], start: int) -> None:
        wrong = ~((block >= 0) & (block <= 255))
        if wrong.any():
            row = int(np.argmax(wrong.any(axis=(1, 2, 3))))
            raise DataError(
                f"expected pixels from 0 to 255 in {self._path}, got {block[row][wrong[row]][0]} in row {start + row}: "
                "scale those in the file; data.pixel_scale is for what the network wants them multiplied by"
            )


def read_whole(path: str, name: str) -> dict[str, str]:
    """Read and check the whole file; returns the digest of the pixels."""
    return {"digest": StoredImages(path, name).digest()}
