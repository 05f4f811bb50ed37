"""Files that are either whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from fineprune.errors import FinepruneError

_writing: set[str] = set()  # by the threads of this process


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; what was written there takes the name `path` when the block ends well.

    Removes the leftovers of processes that were killed while they wrote the same file.
    """
    # Never the same name twice: MLflow remembers the files that it has open.
    aside = path.with_name(f".{os.getpid()}.{uuid4().hex[:8]}.{path.name}")
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
        # SQLite's journals are named as their file, and more. In a container every process may have the same number.
        left = re.fullmatch(rf"(\.(\d+)\.[0-9a-f]{{8}}\.{re.escape(path.name)}).*", other.name)
        if left and left[1] not in _writing and (int(left[2]) == os.getpid() or not is_alive(int(left[2]))):
            other.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Have the new name survive a crash of the machine, on systems where a folder can be opened."""
    with suppress(PermissionError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def is_alive(process: int) -> bool:
    """Whether there is a process of that number on this machine."""
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


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as JSON for people to read, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def save_model(model: Any, path: Path) -> None:
    """Save `model` whole, as HDF5 that plain tf_keras loads."""
    with written_aside(path) as aside, warnings.catch_warnings():
        # Keras recommends its zip format over HDF5, which is the one that the field exchanges.
        warnings.filterwarnings("ignore", "You are saving your model as an HDF5 file")
        model.save(aside, save_format="h5", include_optimizer=False)


def digest(path: Path) -> str:
    """The SHA-256 of the file `path`, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
