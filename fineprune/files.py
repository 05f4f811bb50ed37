"""Files that are either whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import stat
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from uuid import uuid4

from fineprune.errors import FinepruneError

if TYPE_CHECKING:
    import pandas as pd

ABANDONED = 24 * 60 * 60  # seconds without a change, after which nobody can still be writing

NO_FILE = "a link, a folder, a pipe or a device"

_writing: set[str] = set()  # by the threads of this process


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; what was written there takes the name `path` when the block ends well.

    Removes the leftovers of processes that were killed while they wrote the same file: here at once, elsewhere, as on
    another machine that shares the folder, after a day.
    """
    # Never the same name twice: MLflow remembers the files that it has open.
    aside = path.with_name(f".{machine()}.{os.getpid()}.{uuid4().hex[:8]}.{path.name}")
    _writing.add(aside.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        yield aside
        with aside.open("r+b") as written:
            os.fsync(written.fileno())
        aside.replace(path)
        _sync(path.parent)
    except OSError as reason:
        why = os.strerror(reason.errno) if reason.errno else reason  # HDF5's own message is long
        raise FinepruneError(f"expected to write {path}, got: {why}; free or choose another place") from reason
    finally:
        _writing.discard(aside.name)
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    for other in path.parent.iterdir():
        # SQLite's journals are named as their file, and more.
        left = re.fullmatch(rf"(\.(\w+)\.(\d+)\.[0-9a-f]{{8}}\.{re.escape(path.name)}).*", other.name)
        # In a shared folder it may be another user's, or gone.
        with suppress(OSError):
            if left and left[1] not in _writing and _is_left(left[2], int(left[3]), other):
                other.unlink()


def _is_left(where: str, process: int, file: Path) -> bool:
    """Whether the process that wrote `file` is no more."""
    if where == machine():
        # In a container every process may have the same number.
        return process == os.getpid() or not is_alive(process)
    return time.time() - file.lstat().st_mtime > ABANDONED


@cache
def machine() -> str:
    """A name for where the numbers of processes are those seen here: this machine or, within it, this container."""
    parts = [socket.gethostname()]
    with suppress(OSError):  # of Linux alone
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    with suppress(OSError):
        parts.append(Path("/etc/machine-id").read_text())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _sync(folder: Path) -> None:
    """Have the new name survive a crash of the machine, on systems where a folder can be opened."""
    with suppress(PermissionError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def is_alive(process: int) -> bool:
    """Whether there is a process of that number on this `machine`."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def csv(table: pd.DataFrame) -> str:
    """`table` as CSV in which no text is a formula to a spreadsheet: one that begins like it gets a ' in front."""
    texts = table.select_dtypes(exclude="number").columns
    return table.assign(**{name: table[name].map(_no_formula) for name in texts}).to_csv(index=False)


def _no_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as JSON for people to read, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def save_model(model: Any, path: Path) -> None:
    """Save `model` whole, as HDF5 that plain tf_keras loads."""
    with written_aside(path) as aside, warnings.catch_warnings():
        # Keras recommends its zip format over HDF5, which is the one that the field exchanges.
        warnings.filterwarnings("ignore", "You are saving your model as an HDF5 file")
        model.save(aside, save_format="h5", include_optimizer=False)


def open_own(path: Path) -> BinaryIO:
    """Open the file `path` to read it; raises OSError if it is a link, also one of several names, or no file."""
    if path.is_symlink():
        raise OSError(NO_FILE)
    # It may become one meanwhile. A pipe would wait for somebody to write. Systems without these flags have none.
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_RDONLY | flags)
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_nlink > 1:
        os.close(descriptor)
        raise OSError(NO_FILE)
    return os.fdopen(descriptor, "rb")


def digest(path: Path) -> str:
    """The SHA-256 of the file `path`, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
