"""HDF5 files from strangers: opened without following anything that leads out of the file."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from fineprune.errors import FinepruneError, line
from fineprune.untrusted import limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Those that are part of h5py. HDF5 would look for any other in its plug-in folders, and run it.
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
MOST_COMPRESSED = 1032  # deflate makes data at most so many times smaller

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
def report_damage(path: str | Path, error: type[FinepruneError]) -> Iterator[None]:
    """Turn what h5py raises inside into `error`."""
    try:
        yield
    except FinepruneError:
        raise
    except Exception as reason:  # h5py raises almost any type over a damaged file
        raise error(f"expected {path} to be readable, got damage: {line(reason)}: get another copy") from reason


def state(path: str | Path) -> tuple[int, ...]:
    """What changes when the file `path` is written to, or replaced by another."""
    status = os.stat(path)  # noqa: PTH116  of every block of a split
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_state(path: str | Path, before: tuple[int, ...], error: type[FinepruneError]) -> None:
    """Raise `error` where the file has changed since `state` returned `before`."""
    if not Path(path).exists() or state(path) != before:
        raise error(f"expected {path} to stay as it is, got a file that changes while it is read: run again on a copy")


def member(group: h5py.Group, path: str, error: type[FinepruneError]) -> h5py.Group | h5py.Dataset:
    """The object at `path` in `group`; raises `error` where there is none, or a link on the way leads elsewhere."""
    node = group
    with report_damage(group.file.filename, error):
        for name in path.split("/"):
            if not isinstance(node, h5py.Group) or not isinstance(node.get(name, getlink=True), h5py.HardLink):
                raise error(
                    f"expected '{line(path)}' in {group.file.filename}, {line(group.name)}, got "
                    f"{_content(node)}: is it a file of another kind?"
                )
            node = node[name]
    return node


def _content(node: h5py.Group | h5py.Dataset) -> str:
    if not isinstance(node, h5py.Group):
        return "no group"
    return line(", ".join(sorted(str(name) for name, _ in zip(node, range(9), strict=False)))) or "nothing"


def dataset(group: h5py.Group, path: str, error: type[FinepruneError]) -> h5py.Dataset:
    """The data set of numbers at `path`, stored whole in this very file; raises `error` where there is none."""
    where = f"expected '{line(path)}' in {group.file.filename}, {line(group.name)}"
    stored = member(group, path, error)
    with report_damage(group.file.filename, error):
        # Checked first: the shape of a virtual data set can depend on the files that it is assembled from.
        elsewhere = not isinstance(stored, h5py.Dataset) or stored.is_virtual or stored.external
        if elsewhere or stored.shape is None:
            raise error(f"{where} to be a data set held in the file itself, got something else: save it as plain HDF5")
        if stored.dtype.kind not in "uif" or stored.dtype.itemsize > 8:
            raise error(f"{where} to hold numbers, got {line(stored.dtype)}: save it as integers or as floats")
        _check_storage(stored, where, error)
    return stored


def _check_storage(dataset: h5py.Dataset, where: str, error: type[FinepruneError]) -> None:
    """Raise `error` where HDF5 would have to make up, or to unpack, far more than the file stores."""
    creation = dataset.id.get_create_plist()
    filters = [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]
    if {*filters} - FILTERS or len({*filters}) < len(filters):
        raise error(f"{where} to be plain, or compressed once by gzip or lzf, got filters {filters}: save it so")
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if chunk > limits.CHUNK_BYTES:
        raise error(
            f"{where} in chunks of at most {limits.CHUNK_BYTES:,} bytes, got {chunk:,}: save it in smaller ones"
        )
    declared = math.prod(dataset.shape) * dataset.dtype.itemsize
    stored = min(dataset.id.get_storage_size(), Path(dataset.file.filename).stat().st_size)
    if declared > stored * (MOST_COMPRESSED if filters else 1):
        raise error(f"{where} to store the {declared:,} bytes that it declares, got {stored:,}: get another copy")


def read(stored: h5py.Dataset, rows: slice, error: type[FinepruneError]) -> NDArray[Any]:
    """Those rows of a data set; raises `error` where the file is damaged there."""
    with report_damage(f"'{line(stored.name)}' in {stored.file.filename}", error):
        values: NDArray[Any] = stored[rows] if stored.shape else stored[()]
    return values


def blocks(stored: h5py.Dataset, most: int) -> Iterator[slice]:
    """The rows of a data set in parts of up to `most`, fewer where they are large."""
    bytes_a_row = math.prod(stored.shape[1:]) * stored.dtype.itemsize
    step = max(1, min(most, 2**26 // max(bytes_a_row, 1)))
    count = stored.shape[0] if stored.shape else 1
    yield from (slice(start, min(start + step, count)) for start in range(0, count, step))
