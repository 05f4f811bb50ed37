"""The process that reads a stranger's file: `python -m fineprune.untrusted.reader KIND FILE WHAT DESCRIPTOR`.

Its standard input says, as JSON, how images stand in the file. It writes what it read to the descriptor, and prints as
JSON where each array stands there, or what is wrong.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from fineprune.errors import FinepruneError
from fineprune.untrusted import limits
from fineprune.untrusted.formats import KERAS_ARCHIVE
from fineprune.untrusted.images import folder, hdf5_images, npz
from fineprune.untrusted.images.reading import Reading
from fineprune.untrusted.pytorch import reading
from fineprune.untrusted.saved import archive, network, saved_model
from fineprune.untrusted.vetting import Handover, seconds

READERS: dict[str, Callable[..., None]] = {
    "folder": folder.read,
    "images": hdf5_images.read,
    "npz": npz.read,
    KERAS_ARCHIVE: archive.read,
    "json": archive.read_json,
    "network": network.read,
    "pytorch": reading.read,
    "saved model": saved_model.read,
}


def bounds(kind: str, path: str, descriptor: int) -> dict[int, int]:
    """What this process may use and, to each file, write, by what is bounded."""
    import resource

    disk, files = os.fstatvfs(descriptor), 2 if kind == KERAS_ARCHIVE else 1  # whose weights are unpacked first
    return {
        resource.RLIMIT_CPU: seconds(path),
        resource.RLIMIT_DATA: limits.MEMORY,
        resource.RLIMIT_FSIZE: min(limits.UNPACKED, disk.f_bavail * disk.f_frsize // 2) // files,
        resource.RLIMIT_CORE: 0,
    }


def _confine(kind: str, path: str, descriptor: int) -> None:
    import resource

    for what, limit in bounds(kind, path, descriptor).items():
        _, hard = resource.getrlimit(what)
        # One more than the limit as the hard one, at which Linux kills without saying why.
        soft, hard = (limit, limit + 1) if hard == resource.RLIM_INFINITY else (min(limit, hard), min(limit + 1, hard))
        with suppress(ValueError, OSError):  # not every system knows each of them
            resource.setrlimit(what, (soft, hard))


def main(kind: str, path: str, what: str, descriptor: str) -> None:
    """Read the file, hand over its arrays, and print where they stand, or the error."""
    _confine(kind, path, int(descriptor))
    try:
        with os.fdopen(int(descriptor), "wb", buffering=0) as file:
            handover = Handover(file, path)
            settings = json.load(sys.stdin)
            READERS[kind](path, what, handover, *([Reading(**settings)] if settings else []))
        report = json.dumps({"arrays": handover.places})
    except FinepruneError as error:
        report = json.dumps({"error": str(error)})
    except MemoryError:
        why = (
            f"expected {path} to be readable in {limits.MEMORY:,} bytes of memory, got one that takes more: save its "
            "arrays in smaller ones"
        )
        report = json.dumps({"error": why})
    print(report)


if __name__ == "__main__":
    main(*sys.argv[1:])
