"""Labelled images in NumPy's .npz files, archives of arrays: none that would have to be unpickled is read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from fineprune.errors import DataError, FinepruneError, line, some
from fineprune.untrusted.images import arrays
from fineprune.untrusted.images.reading import Reading, Stored

if TYPE_CHECKING:
    from zipfile import ZipFile

    from numpy.typing import NDArray

    from fineprune.untrusted.vetting import Handover

BLOCK_BYTES = 2**23
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read(path: str, what: str, handover: Handover, reading: Reading) -> None:
    """Check all that is needed of the file, and hand over its images; see `arrays.hand_over`. Raises DataError."""
    try:
        file = np.load(path, allow_pickle=False)
        names, archive = file.files, file.zip  # a lone array has none
    except Exception as reason:  # NumPy and zipfile raise many types over a damaged file
        raise DataError(
            f"expected {what} at {path} to be an .npz file, got one that cannot be opened: {line(reason)}: get another "
            "copy, or save it by numpy.savez"
        ) from reason
    arrays.hand_over(lambda name: _stored(archive, names, name, path), names.__contains__, reading, path, handover)


def _stored(archive: ZipFile, names: list[str], name: str, path: str) -> Stored:
    if name not in names:
        raise DataError(
            f"expected '{line(name)}' in {path}, got {line(some(names))}: set data.images and data.labels to the "
            "names of the arrays"
        )
    where = f"'{line(name)}' in {path}"
    with _opened(archive, name, where) as (_, shape, in_rows, dtype):
        if dtype.kind not in "uifb" or dtype.itemsize > 8:
            raise DataError(f"expected {where} to hold numbers, got {line(dtype)}: save it as integers or as floats")
        if not in_rows and len(shape) > 1:
            raise DataError(f"expected {where} row by row, got it column by column: save numpy.ascontiguousarray of it")
    return Stored(name, shape, np.dtype(np.uint8) if dtype.kind == "b" else dtype, lambda: _rows(archive, name, where))


@contextmanager
def _opened(
    archive: ZipFile, name: str, where: str
) -> Iterator[tuple[IO[bytes], tuple[int, ...], bool, np.dtype[Any]]]:
    """The array of that name behind its header; its shape, whether it is stored row by row, and its type."""
    try:
        with archive.open(f"{name}.npy") as stream:
            shape, by_columns, dtype = HEADERS[npy.read_magic(stream)](stream)
            yield stream, shape, not by_columns, dtype
    except FinepruneError:
        raise
    except Exception as reason:  # as above
        raise DataError(f"expected {where} to be readable, got damage: {line(reason)}: get another copy") from reason


def _rows(archive: ZipFile, name: str, where: str) -> Iterator[NDArray[Any]]:
    with _opened(archive, name, where) as (stream, shape, _, dtype):
        row = math.prod(shape[1:]) * dtype.itemsize
        step = max(1, BLOCK_BYTES // max(row, 1))
        for start in range(0, shape[0], step):
            count = min(step, shape[0] - start)
            values = np.frombuffer(stream.read(count * row), dtype)
            yield values.reshape(count, *shape[1:]).view(np.uint8 if dtype.kind == "b" else dtype)
        if stream.read(1):
            raise DataError(f"expected {where} to end with its last row, got more: get another copy")
