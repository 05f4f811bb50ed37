"""HDF5 files from strangers: opened without following anything that leads out of the file."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from fineprune import limits
from fineprune.errors import FinepruneError, line

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Those that are part of h5py. Any other would be looked for in the folders of plug-ins, and run.
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
MOST_COMPRESSED = 1032  # times smaller than its content is the least that deflate can store

while h5py.h5pl.size():
    h5py.h5pl.remove(0)


def check_is_file(path: str | Path, error: type[FinepruneError], what: str) -> None:
    """Raise `error`, calling the file `what`, unless there is a file at `path`: no folder, no pipe, no device."""
    path = Path(path)
    if not path.exists():
        raise error(f"expected {what} at {path}, got no such file: put it there or set another path")
    if not path.is_file():
        raise error(f"expected {what} at {path}, got a folder, pipe or device: set the path of a file")


def open_hdf5(path: str | Path, error: type[FinepruneError], what: str) -> h5py.File:
    """Open the HDF5 file `path` for reading; raises `error`, calling the file `what`, where that fails."""
    check_is_file(path, error, what)
    try:
        return h5py.File(path, "r")
    except Exception as reason:  # h5py raises almost any type over a damaged file
        raise error(
            f"expected {what} at {path} to be an HDF5 file, got one that cannot be opened: {line(reason)}: "
            "get another copy"
        ) from reason


@contextmanager
def damage_told(path: str | Path, error: type[FinepruneError]) -> Iterator[None]:
    """Turn what h5py raises inside into `error`."""
    try:
        yield
    except FinepruneError:
        raise
    except Exception as reason:  # h5py raises almost any type over a damaged file
        raise error(f"expected {path} to be readable, got damage: {line(reason)}: get another copy") from reason


def state(path: str | Path) -> tuple[int, ...]:
    """What differs when the file `path` has been written to, or another one put in its place."""
    found = os.stat(path)  # noqa: PTH116  of every block of a split
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def check_state(path: str | Path, before: tuple[int, ...], error: type[FinepruneError]) -> None:
    """Raise `error` where the file has changed since `state` told `before`."""
    if not Path(path).exists() or state(path) != before:
        raise error(f"expected {path} to stay as it is, got a file that changes while it is read: run again on a copy")


def member(group: h5py.Group, path: str, error: type[FinepruneError]) -> h5py.Group | h5py.Dataset:
    """What stands at `path` in `group`, provided that no link on the way leads elsewhere; raises `error` otherwise."""
    found = group
    with damage_told(group.file.filename, error):
        for name in path.split("/"):
            if not isinstance(found, h5py.Group) or not isinstance(found.get(name, getlink=True), h5py.HardLink):
                raise error(
                    f"expected '{line(path)}' in {group.file.filename}, {line(group.name)}, got "
                    f"{_content(found)}: is it a file of another kind?"
                )
            found = found[name]
    return found


def _content(found: h5py.Group | h5py.Dataset) -> str:
    if not isinstance(found, h5py.Group):
        return "no group"
    return line(", ".join(sorted(str(name) for name, _ in zip(found, range(9), strict=False)))) or "nothing"


def dataset(group: h5py.Group, path: str, error: type[FinepruneError]) -> h5py.Dataset:
    """The data set of numbers at `path`, held in this very file, as large as it says; raises `error` otherwise."""
    where = f"expected '{line(path)}' in {group.file.filename}, {line(group.name)}"
    found = member(group, path, error)
    with damage_told(group.file.filename, error):
        # Asked first: the shape of a virtual data set can depend on the files that it is put together of.
        elsewhere = not isinstance(found, h5py.Dataset) or found.is_virtual or found.external
        if elsewhere or found.shape is None:
            raise error(f"{where} to be a data set held in the file itself, got something else: save it as plain HDF5")
        if found.dtype.kind not in "uif" or found.dtype.itemsize > 8:
            raise error(f"{where} to hold numbers, got {line(found.dtype)}: save it as integers or as floats")
        _check_storage(found, where, error)
    return found


def _check_storage(found: h5py.Dataset, where: str, error: type[FinepruneError]) -> None:
    """Raise `error` where HDF5 would have to make up, or to unpack, far more than is stored."""
    made = found.id.get_create_plist()
    filters = [made.get_filter(place)[0] for place in range(made.get_nfilters())]
    if {*filters} - FILTERS or len({*filters}) < len(filters):
        raise error(f"{where} to be plain, or compressed once by gzip or lzf, got filters {filters}: save it so")
    chunk = math.prod(found.chunks or ()) * found.dtype.itemsize
    if chunk > limits.CHUNK_BYTES:
        raise error(
            f"{where} in chunks of at most {limits.CHUNK_BYTES:,} bytes, got {chunk:,}: save it in smaller ones"
        )
    declared = math.prod(found.shape) * found.dtype.itemsize
    stored = min(found.id.get_storage_size(), Path(found.file.filename).stat().st_size)
    if declared > stored * (MOST_COMPRESSED if filters else 1):
        raise error(f"{where} to store the {declared:,} bytes that it declares, got {stored:,}: get another copy")


def read(stored: h5py.Dataset, rows: slice, error: type[FinepruneError]) -> NDArray[Any]:
    """Those rows of a data set; raises `error` where the file is damaged there."""
    with damage_told(f"'{line(stored.name)}' in {stored.file.filename}", error):
        found: NDArray[Any] = stored[rows] if stored.shape else stored[()]
    return found


def blocks(stored: h5py.Dataset, most: int) -> Iterator[slice]:
    """The rows of a data set in parts of up to `most`, fewer where they are large."""
    bytes_a_row = math.prod(stored.shape[1:]) * stored.dtype.itemsize
    step = max(1, min(most, 2**26 // max(bytes_a_row, 1)))
    count = stored.shape[0] if stored.shape else 1
    yield from (slice(start, min(start + step, count)) for start in range(0, count, step))
