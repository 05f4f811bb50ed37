"""Files from strangers are first read in a process of their own, which may hang, crash or eat memory instead of this.

HDF5 files are read by a large C library that damaged ones have made do all three.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fineprune import errors, limits
from fineprune.errors import FinepruneError


def vet(kind: str, path: str | Path, error: type[FinepruneError], *more: str) -> dict[str, Any]:
    """Read the file `path` whole, as `kind` of file, in a process with little memory and time; what it found out.

    Raises the error that the other process ended in, and `error` where it did not end by itself.
    """
    search = filter(None, [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH")])
    done = subprocess.run(  # noqa: S603  our own interpreter, our own module
        [sys.executable, "-P", "-m", "fineprune.vetting", kind, str(path), *more],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(search), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode < 0:
        how = signal.strsignal(-done.returncode)
        raise error(
            f"expected {path} to be readable in {_seconds(path)} seconds and {limits.MEMORY:,} bytes of memory, "
            f"got '{how}' from the process that tried: get another copy"
        )
    if done.returncode > 0:
        raise RuntimeError(f"the process that reads {path} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    if "error" in found:
        raise getattr(errors, found["error"])(found["message"])
    return found


def _seconds(path: str | Path) -> int:
    return limits.SECONDS + Path(path).stat().st_size // limits.BYTES_A_SECOND


def _confine(path: str) -> None:
    """Bound what this process may use, and let it write no file."""
    import resource

    bounds = {
        resource.RLIMIT_CPU: _seconds(path),
        resource.RLIMIT_DATA: limits.MEMORY,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for what, most in bounds.items():
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(ValueError, OSError):  # not every system knows each of them
            resource.setrlimit(what, (most, hard))


def main(kind: str, path: str, *more: str) -> None:
    """Print as JSON what was found out about the file, or the error."""
    from fineprune import image_files, model_files

    readers: dict[str, Callable[..., dict[str, str]]] = {"images": image_files.facts, "network": model_files.facts}
    _confine(path)
    try:
        found = readers[kind](path, *more)
    except FinepruneError as error:
        found = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
