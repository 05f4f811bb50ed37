"""The process that reads a stranger's file before any other does: `python -m fineprune.untrusted.reader KIND FILE`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress

from fineprune.errors import FinepruneError
from fineprune.untrusted import image_files, limits, network_files
from fineprune.untrusted.vetting import seconds

READERS: dict[str, Callable[..., dict[str, str]]] = {
    "images": image_files.read_whole,
    "network": network_files.read_whole,
}


def _confine(path: str) -> None:
    """Bound what this process may use, and let it write no file."""
    import resource

    bounds = {
        resource.RLIMIT_CPU: seconds(path),
        resource.RLIMIT_DATA: limits.MEMORY,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for what, limit in bounds.items():
        _, hard = resource.getrlimit(what)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with suppress(ValueError, OSError):  # not every system knows each of them
            resource.setrlimit(what, (limit, hard))


def main(kind: str, path: str, *more: str) -> None:
    """Print as JSON what the reader of the file returns, or the error."""
    _confine(path)
    try:
        result = READERS[kind](path, *more)
    except FinepruneError as error:
        result = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
