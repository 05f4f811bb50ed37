"""Files from strangers are first read in a process of their own, which may hang, crash or eat memory instead of this.

A large C library reads HDF5 files, and damaged ones have made it do all three.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from fineprune import errors
from fineprune.errors import FinepruneError
from fineprune.untrusted import limits


def vet(kind: str, path: str | Path, error: type[FinepruneError], *more: str) -> dict[str, Any]:
    """Read the file `path`, of this `kind`, whole, in a process with little memory and time; returns what it reports.

    Raises the error that the other process ended in, and `error` where it did not end by itself.
    """
    search = filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")])
    process = subprocess.run(  # noqa: S603  our own interpreter, our own module
        [sys.executable, "-P", "-m", "fineprune.untrusted.reader", kind, str(path), *more],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(search), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode < 0:
        how = signal.strsignal(-process.returncode)
        raise error(
            f"expected {path} to be readable in {seconds(path)} seconds and {limits.MEMORY:,} bytes of memory, "
            f"got '{how}' from the process that tried: get another copy"
        )
    if process.returncode > 0:
        raise RuntimeError(f"the process that reads {path} failed:\n{process.stderr}")
    report: dict[str, Any] = json.loads(process.stdout)
    if "error" in report:
        raise getattr(errors, report["error"])(report["message"])
    return report


def seconds(path: str | Path) -> int:
    """How long the process that reads the file `path` may compute."""
    return limits.SECONDS + Path(path).stat().st_size // limits.BYTES_A_SECOND
