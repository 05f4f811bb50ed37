"""HDF5 files from strangers: opened without following anything that leads out of the file.

For the process that vets them alone.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import h5py

from fineprune.errors import DataError, FinepruneError, line
from fineprune.untrusted import limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_COMPRESSED = 1032  # deflate makes data at most so many times smaller

while h5py.h5pl.size():
    h5py.h5pl.remove(0)


def open_hdf5(path: str | Path | IO[bytes], error: type[FinepruneError], what: str) -> h5py.File:
    """Open the HDF5 file `path`, or one that is open, for reading.

    Raises `error`, calling the file `what`, where that fails.
    """
    try:
        # No chunk is unpacked twice because a block of rows ends within it.
        return h5py.File(path, "r", rdcc_nbytes=limits.CHUNK_BYTES)
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


def member(group: h5py.Group, path: str, error: type[FinepruneError]) -> h5py.Group | h5py.Dataset:
    """The object at `path` in `group`; raises `error` where there is none, or a link on the way leads elsewhere."""
    node = group
    with report_damage(group.file.filename, error):
        for name in path.split("/"):
            if not isinstance(node, h5py.Group) or not isinstance(node.get(name, getlink=True), h5py.HardLink):
                where = f"expected '{line(path)}' in {group.file.filename}, {line(group.name)},"
                raise _wrong_name(where, _content(node), error)
            node = node[name]
    return node


def _wrong_name(where: str, got: str, error: type[FinepruneError]) -> FinepruneError:
    """What to raise over a name that is not there, or is not that of a data set."""
    if error is DataError:
        return error(f"{where} got {got}: set data.images and data.labels to the names of the arrays")
    return error(f"{where} got {got}: is it a file of another kind?")


def _content(node: h5py.Group | h5py.Dataset) -> str:
    if not isinstance(node, h5py.Group):
        return "no group"
    return line(", ".join(sorted(str(name) for name, _ in zip(node, range(9), strict=False)))) or "nothing"


def has(holder: h5py.Group, name: str, error: type[FinepruneError]) -> bool:
    """Whether there is an attribute of that name."""
    with report_damage(holder.file.filename, error):
        return name in holder.attrs


def attribute(holder: h5py.Group, name: str, error: type[FinepruneError]) -> Any:
    """An attribute; raises `error` where it is too large, or the file is damaged there."""
    path = holder.file.filename
    with report_damage(path, error):
        stored = holder.attrs.get_id(name)
        if (size := math.prod(stored.shape or ()) * stored.dtype.itemsize) > limits.CONFIG_BYTES:
            raise error(
                f"expected '{name}' in {path} to take at most {limits.CONFIG_BYTES:,} bytes, got {size:,}: not loaded"
            )
        return holder.attrs[name]


def dataset(group: h5py.Group, path: str, error: type[FinepruneError]) -> h5py.Dataset:
    """The data set of numbers at `path`, stored whole in this very file; raises `error` where there is none."""
    where = f"expected '{line(path)}' in {group.file.filename}, {line(group.name)}"
    stored = member(group, path, error)
    with report_damage(group.file.filename, error):
        if isinstance(stored, h5py.Group):
            raise _wrong_name(f"{where} to be a data set,", f"a group of {_content(stored)}", error)
        # Checked first: the shape of a virtual data set can depend on the files that it is assembled from.
        elsewhere = not isinstance(stored, h5py.Dataset) or stored.is_virtual or stored.external
        if elsewhere or stored.shape is None:
            raise error(f"{where} to be a data set held in the file itself, got something else: save it as plain HDF5")
        if stored.dtype.kind not in "uif" or stored.dtype.itemsize > 8:
            raise error(f"{where} to hold numbers, got {line(stored.dtype)}: save it as integers or as floats")
        _check_storage(stored, where, error)
    return stored


def _check_storage(dataset: h5py.Dataset, where: str, error: type[FinepruneError]) -> None:
    """Raise `error` where HDF5 would have to make up, or to unpack, something else than the file stores."""
    creation = dataset.id.get_create_plist()
    filters = [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]
    if {*filters} - {*UNPACKED} or len({*filters}) < len(filters) or {*COMPRESSIONS} <= {*filters}:
        raise error(f"{where} to be plain, or compressed once by gzip or lzf, got filters {filters}: save it so")
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if chunk > limits.CHUNK_BYTES:
        raise error(
            f"{where} in chunks of at most {limits.CHUNK_BYTES:,} bytes, got {chunk:,}: save it in smaller ones"
        )
    declared = math.prod(dataset.shape) * dataset.dtype.itemsize
    stored = min(dataset.id.get_storage_size(), dataset.file.id.get_filesize())
    if declared > stored * (MOST_COMPRESSED if filters else 1):
        raise error(f"{where} to store the {declared:,} bytes that it declares, got {stored:,}: get another copy")
    if dataset.chunks:
        _check_chunks(dataset, filters, chunk, where, error)


def _check_chunks(
    dataset: h5py.Dataset, filters: list[int], size: int, where: str, error: type[FinepruneError]
) -> None:
    """Raise `error` unless each chunk unpacks to `size` bytes.

    Of a shorter one, HDF5 1.14 hands out what lies behind it in memory; over others, it crashes.
    """
    places: list[tuple[int, ...]] = []
    dataset.id.chunk_iter(lambda chunk: places.append(chunk.chunk_offset))
    for place in places:
        mask, data = dataset.id.read_direct_chunk(place)
        for index in reversed(range(len(filters))):
            if not mask >> index & 1:  # a chunk does without those whose bit is set
                data = UNPACKED[filters[index]](data, size + CHECKSUM)
        if len(data) != size:
            raise error(f"{where} in chunks that unpack to {size:,} bytes each, got another: get another copy")


def _inflated(data: bytes, most: int) -> bytes:
    stream = zlib.decompressobj()
    values = stream.decompress(data, most)
    return values if stream.eof else b""


def _lzf_unpacked(data: bytes, most: int) -> bytes:
    """As many bytes as LibLZF, which h5py brings along, unpacks `data` to: runs of them, and copies of earlier ones."""
    size, at = 0, 0
    while at < len(data) and size < most:
        control = data[at]
        if control < 32:
            size += control + 1
            at += control + 2
        elif control < 224:
            size += (control >> 5) + 2
            at += 2
        else:
            size += data[at + 1] + 9
            at += 3
    return bytes(size)


# Those that are part of h5py. HDF5 would look for any other in its plug-in folders, and run it.
UNPACKED: dict[int, Callable[[bytes, int], bytes]] = {
    h5py.h5z.FILTER_DEFLATE: _inflated,
    h5py.h5z.FILTER_LZF: _lzf_unpacked,
    h5py.h5z.FILTER_SHUFFLE: lambda data, _: data,
    h5py.h5z.FILTER_FLETCHER32: lambda data, _: data[:-CHECKSUM],
}
COMPRESSIONS = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF
CHECKSUM = 4  # bytes that fletcher32 adds


def read_rows(stored: h5py.Dataset, rows: slice, error: type[FinepruneError]) -> NDArray[Any]:
    """Those rows of a data set; raises `error` where the file is damaged there."""
    with report_damage(f"'{line(stored.name)}' in {stored.file.filename}", error):
        values: NDArray[Any] = stored[rows] if stored.shape else stored[()]
    return values


def blocks(stored: h5py.Dataset, most: int) -> Iterator[slice]:
    """The rows of a data set in parts of up to `most`, fewer where they are large."""
    bytes_a_row = math.prod(stored.shape[1:]) * stored.dtype.itemsize
    step = max(1, min(most, 2**23 // max(bytes_a_row, 1)))
    count = stored.shape[0] if stored.shape else 1
    yield from (slice(start, min(start + step, count)) for start in range(0, count, step))
