"""Labelled images in HDF5 files of the competition's layout: `data` (N, C, H, W), pixels 0–255, and `label` (N,)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from fineprune.errors import DataError
from fineprune.untrusted import limits
from fineprune.untrusted.hdf5 import blocks, dataset, open_hdf5, read_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fineprune.untrusted.vetting import Handover


def read(path: str, what: str, handover: Handover) -> None:
    """Check the whole file, and hand over `data`, `label` as int64, and the SHA-256 of the pixels as `digest`.

    Raises DataError where it has another layout.
    """
    file, sha = open_hdf5(path, DataError, what), hashlib.sha256()
    stored = dataset(file, "data", DataError)
    _check_shape(stored.shape, path)
    labels = dataset(file, "label", DataError)
    if labels.shape != stored.shape[:1]:
        raise DataError(
            f"expected 'label' in {path} of shape {stored.shape[:1]}, one an image, got {labels.shape}: give each its "
            "class"
        )
    handover.add("label", np.dtype(np.int64), labels.shape, _labels(labels, path))
    handover.add("data", stored.dtype, stored.shape, _pixels(stored, path, sha))
    digest = np.frombuffer(sha.digest(), np.uint8)
    handover.add("digest", digest.dtype, digest.shape, [digest])


def _check_shape(shape: tuple[int, ...], path: str) -> None:
    if len(shape) != 4 or shape[1] not in (1, 3):
        raise DataError(
            f"expected 'data' in {path} of shape (N, 3, height, width), channels first, got {shape}: transpose it"
        )
    if 0 in shape:
        raise DataError(f"expected at least one image in {path}, got none, {shape}: set another file")
    if shape[0] > limits.IMAGES:
        raise DataError(f"expected at most {limits.IMAGES:,} images in {path}, got {shape[0]:,}: take a part of them")
    if math.prod(shape[1:]) > limits.IMAGE_VALUES:
        raise DataError(
            f"expected images of at most {limits.IMAGE_VALUES:,} values in {path}, got {shape[1:]}: scale them down"
        )


def _labels(stored: h5py.Dataset, path: str) -> Iterator[NDArray[Any]]:
    """All of them, block by block, checked."""
    for rows in blocks(stored, 2**20):
        labels = read_rows(stored, rows, DataError)
        values = labels.astype(np.float64)  # float16 cannot hold the bound below
        wrong = ~((values >= 0) & (values < limits.CLASSES) & (values == np.floor(values)))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"expected 'label' in {path} to hold whole numbers from 0, got {labels[row]} in row "
                f"{rows.start + row}: give classes by number, at most {limits.CLASSES:,}"
            )
        yield labels


def _pixels(stored: h5py.Dataset, path: str, sha: hashlib._Hash) -> Iterator[NDArray[Any]]:
    """All of them, block by block, checked and fed to `sha`."""
    for rows in blocks(stored, 2**20):
        block = read_rows(stored, rows, DataError)
        wrong = ~((block >= 0) & (block <= 255))
        if wrong.any():
            row = int(np.argmax(wrong.any(axis=(1, 2, 3))))
            raise DataError(
                f"expected pixels from 0 to 255 in {path}, got {block[row][wrong[row]][0]} in row {rows.start + row}: "
                "scale those in the file; data.pixel_scale is for what the network wants them multiplied by"
            )
        sha.update(block.data)
        yield block
