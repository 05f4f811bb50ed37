"""How PyTorch packs a pickle and the storages that it refers to: in a zip archive, or, until 1.6, one after the other.

Names in an archive are compared, and never used as paths.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from fineprune.errors import FinepruneError, ModelError, line
from fineprune.untrusted import limits
from fineprune.untrusted.formats import ARCHIVE, format_of
from fineprune.untrusted.pytorch import pickles
from fineprune.untrusted.pytorch.pickles import Storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
PART = 2**20  # bytes that are read at a time
WIDTHS = {dtype: 2 if dtype == "bfloat16" else int(dtype[1:]) for dtype in pickles.DTYPES.values()}

Read = Callable[[Storage], "NDArray[np.uint8]"]


@contextmanager
def report_damage(path: str) -> Iterator[None]:
    """Turn what reading a pickle or an archive raises into ModelError."""
    try:
        yield
    except (FinepruneError, MemoryError, ImportError):
        raise
    except Exception as reason:  # both raise almost any type over a damaged file
        raise ModelError(
            f"expected {path} to be readable as a file of PyTorch's, got damage: "
            f"{line(reason) or type(reason).__name__}: get another copy"
        ) from reason


def unpack(path: str) -> tuple[Any, Read]:
    """The object in the file `path`, and a function that returns the bytes of a storage that it refers to."""
    return _unzip(path) if format_of(path) == ARCHIVE else _legacy(path)


def _unzip(path: str) -> tuple[Any, Read]:
    archive = zipfile.ZipFile(path)
    names = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(names) != 1:
        raise ModelError(
            f"expected one data.pkl in the archive {path}, as torch.save writes it, got {len(names)}: is it "
            "an archive of something else?"
        )
    top = names[0].removesuffix("data.pkl")
    if f"{top}byteorder" in archive.namelist():
        with _stored(archive, f"{top}byteorder", path) as file:
            _check_little(path, file.read(6) == b"little")
    with _stored(archive, names[0], path) as file:
        unpickled = pickles.load(file)

    def read(storage: Storage) -> NDArray[np.uint8]:
        size = storage.numbers * WIDTHS[storage.dtype]
        with _stored(archive, f"{top}data/{storage.key}", path, size) as file:
            return _bytes(file, size)

    return unpickled, read


def _stored(archive: zipfile.ZipFile, name: str, path: str, size: int | None = None) -> IO[bytes]:
    """The entry `name`, opened; raises ModelError where it is compressed, or takes up something else than `size`."""
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise ModelError(
            f"expected entries of {path} that are stored as they are, as torch.save does, got '{line(name)}' "
            "compressed: save it again by torch.save"
        )
    if size is not None and entry.file_size != size:
        raise ModelError(
            f"expected '{line(name)}' in {path} to hold the {size:,} bytes that are declared, got {entry.file_size:,}: "
            "get another copy"
        )
    return archive.open(entry)


def _legacy(path: str) -> tuple[Any, Read]:
    file = Path(path).open("rb")  # noqa: SIM115  for as long as storages are read
    magic, protocol, system = pickles.load(file), pickles.load(file), pickles.load(file)
    if (magic, protocol) != (MAGIC, PROTOCOL):
        raise ModelError(
            f"expected {path} to begin as a file of torch.save does, got another pickle: save a state dict by "
            "torch.save(net.state_dict(), 'NAME.pth')"
        )
    _check_little(path, isinstance(system, dict) and system.get("little_endian") is True)
    unpickler = pickles.Unpickler(file)
    unpickled = unpickler.load()
    places = _places(file, unpickler.storages, pickles.load(file), path)

    def read(storage: Storage) -> NDArray[np.uint8]:
        file.seek(places[storage.key])
        return _bytes(file, storage.numbers * WIDTHS[storage.dtype])

    return unpickled, read


def _places(file: IO[bytes], storages: dict[str, Storage], keys: Any, path: str) -> dict[str, int]:
    """Where each storage begins, in the order of `keys`: in front of it stands how many numbers it holds."""
    places, end = {}, os.fstat(file.fileno()).st_size
    for key in keys:
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little")
        places[key] = file.tell()
        size = storage.numbers * WIDTHS[storage.dtype]
        if count != storage.numbers or places[key] + size > end:
            raise ModelError(
                f"expected storage '{line(key)}' in {path} to hold the {storage.numbers:,} numbers that are declared, "
                f"got {count:,} in the last {max(end - places[key], 0):,} bytes: get another copy"
            )
        file.seek(size, os.SEEK_CUR)
    return places


def _check_little(path: str, little: bool) -> None:
    if not little:
        raise ModelError(f"expected numbers in {path} to be little-endian, got others: save it on another machine")


def _bytes(file: IO[bytes], size: int) -> NDArray[np.uint8]:
    """The next `size` bytes, with memory for no more than these."""
    if not 0 <= size <= 8 * limits.PARAMETERS:
        raise ValueError(f"a storage of {size:,} bytes")
    content = np.empty(size, np.uint8)
    for start in range(0, size, PART):
        part = file.read(min(PART, size - start))
        content[start : start + len(part)] = np.frombuffer(part, np.uint8)
        if len(part) < min(PART, size - start):
            raise EOFError(f"{size:,} bytes expected, {start + len(part):,} there")
    return content
