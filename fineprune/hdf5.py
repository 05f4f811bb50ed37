"""HDF5 files from strangers: opened without following anything that leads out of the file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from fineprune.errors import DataError, FinepruneError
from fineprune.splits import BLOCK, Images, Labels, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray


def open_hdf5(path: str | Path, error: type[FinepruneError], what: str) -> h5py.File:
    """Open the HDF5 file `path` for reading; raises `error`, calling the file `what`, where that fails."""
    path = Path(path)
    if not path.is_file():
        raise error(f"expected {what} at {path}, got no such file: put it there or set another path")
    try:
        return h5py.File(path, "r")
    except OSError as reason:
        raise error(
            f"expected {what} at {path} to be an HDF5 file, got one that cannot be opened: {reason}"
        ) from reason


def member(group: h5py.Group, path: str, error: type[FinepruneError]) -> h5py.Group | h5py.Dataset:
    """What stands at `path` in `group`, provided that no link on the way leads elsewhere; raises `error` otherwise."""
    found = group
    for name in path.split("/"):
        if not isinstance(found, h5py.Group) or not isinstance(found.get(name, getlink=True), h5py.HardLink):
            there = ", ".join(sorted(found)[:9]) if isinstance(found, h5py.Group) else "no group"
            raise error(f"expected '{path}' in {group.file.filename}, {group.name}, got {there or 'nothing'}")
        found = found[name]
    return found


def dataset(group: h5py.Group, path: str, error: type[FinepruneError]) -> h5py.Dataset:
    """The data set of numbers at `path`, held in this very file; raises `error` otherwise."""
    found, where = member(group, path, error), f"expected '{path}' in {group.file.filename}, {group.name}"
    if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external or found.shape is None:
        raise error(f"{where} to be a data set held in the file itself, got something else")
    if found.dtype.kind not in "uif":
        raise error(f"{where} to hold numbers, got {found.dtype}")
    return found


def read(stored: h5py.Dataset, rows: slice, error: type[FinepruneError]) -> NDArray[Any]:
    """Those rows of a data set; raises `error` where the file is damaged there."""
    try:
        found: NDArray[Any] = stored[rows] if stored.shape else stored[()]
    except OSError as reason:
        where = f"'{stored.name}' in {stored.file.filename}"
        raise error(f"expected {where} to be readable, got damage: {reason}") from reason
    return found


class H5Split(Split):
    """A file in the competition's layout: `data` (N, C, H, W), pixels 0–255, and `label` (N,), whole numbers."""

    def __init__(self, path: str | Path, scale: float, name: str) -> None:
        self.scale, self._path = scale, Path(path)
        file = open_hdf5(path, DataError, f"the {name} images")
        self._stored = dataset(file, "data", DataError)
        shape = self._stored.shape
        if len(shape) != 4 or shape[1] not in (1, 3):
            raise DataError(f"expected 'data' in {path} of shape (N, 3, height, width), channels first, got {shape}")
        if shape[0] == 0:
            raise DataError(f"expected at least one image in {path}, got none")
        self.labels = self._read_labels(dataset(file, "label", DataError))

    def _read_labels(self, stored: h5py.Dataset) -> Labels:
        expected = f"expected 'label' in {self._path}"
        if stored.shape != self._stored.shape[:1]:
            raise DataError(f"{expected} of shape {self._stored.shape[:1]}, one an image, got {stored.shape}")
        labels = read(stored, slice(None), DataError)
        wrong = ~np.isfinite(labels) | (labels != np.floor(labels)) | (labels < 0) | (labels > np.iinfo(np.int32).max)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(f"{expected} to hold whole numbers from 0, got {labels[row]} in row {row}")
        return labels.astype(np.int64)

    @property
    def shape(self) -> tuple[int, int, int]:
        _, channels, height, width = self._stored.shape
        return height, width, channels

    def pixels(self, start: int, stop: int) -> Images:
        return self._read(start, stop).transpose(0, 2, 3, 1).astype(np.float32, order="C")

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        block = read(self._stored, slice(start, stop), DataError)
        if block.dtype.kind == "f" and not np.isfinite(block).all():
            row = start + int(np.argmin(np.isfinite(block).all((1, 2, 3))))
            raise DataError(f"expected pixels from 0 to 255 in {self._path}, got NaN or infinity in row {row}")
        return block

    def _fingerprint(self, sha: hashlib._Hash) -> None:
        for start in range(0, len(self), BLOCK):
            sha.update(self._read(start, min(start + BLOCK, len(self))).tobytes())
