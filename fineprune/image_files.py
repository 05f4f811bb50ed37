"""Labelled images in HDF5 files of the competition's layout."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fineprune import limits
from fineprune.errors import DataError
from fineprune.hdf5 import blocks, check_is_file, check_state, dataset, open_hdf5, read, state
from fineprune.splits import BLOCK, Images, Labels, Split
from fineprune.vetting import vet

if TYPE_CHECKING:
    from numpy.typing import NDArray


class StoredImages(Split):
    """A file in the competition's layout: `data` (N, C, H, W), pixels 0–255, and `label` (N,), whole numbers.

    Raises DataError where it is none. Not to be used in this process before the file has been vetted.
    """

    def __init__(self, path: str | Path, scale: float, name: str) -> None:
        self.scale, self._path = scale, Path(path)
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

    def _read_labels(self, stored: Any) -> Labels:
        expected = f"expected 'label' in {self._path}"
        if stored.shape != self._stored.shape[:1]:
            raise DataError(
                f"{expected} of shape {self._stored.shape[:1]}, one an image, got {stored.shape}: give each its class"
            )
        labels = read(stored, slice(None), DataError)
        values = labels.astype(np.float64)  # in which the bound below is a number, as it is not in float16
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

    def pixels(self, start: int, stop: int) -> Images:
        block = read(self._stored, slice(start, stop), DataError)
        return block.transpose(0, 2, 3, 1).astype(np.float32, order="C")

    def _fingerprint(self, sha: hashlib._Hash) -> None:
        for rows in blocks(self._stored, BLOCK):
            block = read(self._stored, rows, DataError)
            self._check_pixels(block, rows.start)
            sha.update(block.tobytes())

    def _check_pixels(self, block: NDArray[Any], start: int) -> None:
        wrong = ~((block >= 0) & (block <= 255))
        if wrong.any():
            row = int(np.argmax(wrong.any(axis=(1, 2, 3))))
            raise DataError(
                f"expected pixels from 0 to 255 in {self._path}, got {block[row][wrong[row]][0]} in row {start + row}: "
                "scale those in the file; data.pixel_scale is for what the network wants them multiplied by"
            )


class H5Split(StoredImages):
    """The same, once the whole file has been read in a process of its own, which also told the digest."""

    def __init__(self, path: str | Path, scale: float, name: str) -> None:
        check_is_file(path, DataError, f"the {name} images")
        self._state = state(path)
        self.digest = vet("images", path, DataError, str(float(scale)), name)["digest"]
        super().__init__(path, scale, name)

    def pixels(self, start: int, stop: int) -> Images:
        found = super().pixels(start, stop)
        check_state(self._path, self._state, DataError)
        return found


def facts(path: str, scale: str, name: str) -> dict[str, str]:
    """Read it all; the digest of the split."""
    return {"digest": StoredImages(path, float(scale), name).digest}
