"""Files from strangers are read by a process of their own, which may hang, crash or eat memory instead of this.

A large C library reads HDF5 files, and damaged ones have made it do all three. This process never opens one: that one
hands over what it has read and checked, as plain arrays in a file without a name, which goes when both have closed it.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from fineprune.errors import FinepruneError, plain
from fineprune.untrusted import limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fineprune.untrusted.images.reading import Reading

# What that process sees of the environment: nothing that is secret, nor that tells HDF5 to load anything.
ENVIRONMENT = ("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PYTHONHOME", "TMPDIR")
LFS = b"version https://git-lfs"  # how Git stands in for a large file that was not fetched
PATIENCE = 30  # times the seconds that it may compute, by the clock: the machine may have other things to do


class Unnamed:
    """A file without a name: it is gone once nobody holds it, also where this process is killed."""

    def __init__(self) -> None:
        try:
            self.opened: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  open as long as it is needed
        except OSError as reason:
            raise FinepruneError(
                f"expected room for temporary files, got: {os.strerror(reason.errno or 0)}: set TMPDIR to a folder "
                "that can be written to"
            ) from reason
        weakref.finalize(self, self.opened.close)


@dataclass(frozen=True)
class VettedArray:
    """Numbers from a stranger's file, as they were when they were checked."""

    file: Unnamed
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """The rows start to stop, by default all; memory is taken for these alone."""
        if 0 in self.shape:
            return np.empty(self.shape, self.dtype)[start:stop]
        mapped = np.memmap(self.file.opened, self.dtype, "r", self.offset, self.shape)
        return np.array(mapped[start:stop] if self.shape else mapped)


class Handover:
    """The other end of it: what has been read and checked is added, part by part."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        self._file, self._path = file, path
        self.places: list[tuple[str, str, tuple[int, ...], int]] = []

    def add(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], parts: Iterable[NDArray[Any]]) -> None:
        """Add an array whose rows are in `parts`; raises FinepruneError where there is no room for it."""
        try:
            self.places.append((name, dtype.str, shape, self._file.tell()))
            for part in parts:
                rest = np.ascontiguousarray(part, dtype).reshape(-1).view(np.uint8).data
                while rest:
                    rest = rest[self._file.write(rest) :]
        except OSError as reason:
            raise FinepruneError(
                f"expected {self._path} to unpack to at most {limits.UNPACKED:,} bytes, and half of what is free in "
                f"{tempfile.gettempdir()}, got: {os.strerror(reason.errno or 0)}: set TMPDIR to a folder with more room"
            ) from reason


def check_is_file(path: str | Path, error: type[FinepruneError], what: str) -> None:
    """Raise `error`, calling the file `what`, unless there is a file at `path`: no folder, no pipe, no device."""
    path = Path(path)
    if not path.exists():
        raise error(f"expected {what} at {path}, got no such file: put it there or set another path")
    if not path.is_file():
        raise error(f"expected {what} at {path}, got a folder, pipe or device: set the path of a file")
    with suppress(OSError), path.open("rb") as file:  # of one that may not be read: the reader says so
        if file.read(len(LFS)) == LFS:
            raise error(
                f"expected {what} at {path}, got a pointer of Git LFS to it: run git lfs pull where the file comes from"
            )


def vet(
    kind: str, path: str | Path, error: type[FinepruneError], what: str, reading: Reading | None = None
) -> dict[str, list[VettedArray]]:
    """The arrays in the file `path`, of this `kind`, by name: read whole by a process with little memory and time.

    `what` is what messages call it, and `reading` how images stand in it. Raises `error` where it is refused, or makes
    that process end otherwise.
    """
    if not (reading and reading.classes):
        check_is_file(path, error, what)
    file = Unnamed()
    descriptor = file.opened.fileno()
    search = filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")])
    kept = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    try:
        process = subprocess.run(  # noqa: S603  our own interpreter, our own module
            [sys.executable, "-P", "-m", "fineprune.untrusted.reader", kind, str(path), what, str(descriptor)],
            env=kept | {"PYTHONPATH": os.pathsep.join(search), "OPENBLAS_NUM_THREADS": "1"},
            pass_fds=[descriptor],
            input=json.dumps(asdict(reading) if reading else None),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE * seconds(path),
        )
    except subprocess.TimeoutExpired as reason:
        raise error(
            f"expected {path} to be read within {reason.timeout} seconds, got none of it: get another copy"
        ) from reason
    if process.returncode < 0:
        how = signal.strsignal(-process.returncode)
        raise error(
            f"expected {path} to be readable in {seconds(path)} seconds and {limits.MEMORY:,} bytes of memory, "
            f"got '{how}' from the process that tried: get another copy"
        )
    if process.returncode > 0:
        raise RuntimeError(f"the process that reads {path} failed:\n{process.stderr}")
    return _received(_parsed(process.stdout), file, error)


def _parsed(report: str) -> dict[str, Any]:
    with suppress(ValueError):
        parsed = json.loads(report)
        if isinstance(parsed, dict):
            return parsed
    return {}


def _received(report: dict[str, Any], file: Unnamed, error: type[FinepruneError]) -> dict[str, list[VettedArray]]:
    """The arrays that `report` describes; raises the `error` that it says instead. It may be a stranger's too."""
    if "error" in report:
        refusal = error(plain(report["error"]))
        raise refusal
    arrays: dict[str, list[VettedArray]] = {}
    try:
        for name, dtype, shape, offset in report["arrays"]:
            arrays.setdefault(str(name), []).append(_inside(VettedArray(file, np.dtype(dtype), tuple(shape), offset)))
    except (KeyError, TypeError, ValueError) as reason:
        raise error(
            "expected numbers from the process that reads a file, got something else: get another copy"
        ) from reason
    return arrays


def _inside(array: VettedArray) -> VettedArray:
    """`array`; raises ValueError unless it is of numbers that are in its file."""
    end = array.offset + array.dtype.itemsize * math.prod(array.shape)
    size = os.fstat(array.file.opened.fileno()).st_size
    if array.dtype.kind not in "uif" or min(0, array.offset, *array.shape) < 0 or end > size:
        raise ValueError(f"expected numbers that are in the file, got {array}")
    return array


def seconds(path: str | Path) -> int:
    """How long the process that reads `path` may compute: by what is on disk, since a file may have holes."""
    files = Path(path).rglob("*") if Path(path).is_dir() else [Path(path)]
    stored = 0
    for file in files:
        with suppress(OSError):  # of one that has gone, or that may not be looked at: the reader says so
            status = file.lstat()
            stored += min(status.st_size, 512 * status.st_blocks)
    return limits.SECONDS + stored // limits.BYTES_A_SECOND
