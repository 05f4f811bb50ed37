"""Processor seconds of what a user waits for: a first run, a warm one, each further job of a grid, and a comparison.

python -m benchmarks.waiting
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHUNKS = range(1, 13)  # a job each
ROUNDS = 3  # of a warm run, of which the cheapest counts


def processor_seconds(folder: Path, runner: str, *settings: str) -> float:
    """Of the command in `folder`, all its processes and threads together."""
    before = _of_children()
    command = [sys.executable, "-m", f"fineprune.runners.{runner}", *settings]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)  # noqa: S603
    return _of_children() - before


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured() -> dict[str, float]:
    """By what is waited for; the BadNet is there before, and the comparison is of 36 runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models").symlink_to(ROOT / "models")
        first, *warm = (processor_seconds(folder, "sweep") for _ in range(1 + ROUNDS))
        strategies = (f"strategy={name}" for name in ("channel_activation", "random_channels", "l1_norm"))
        chunks = f"strategy.chunk={','.join(map(str, CHUNKS))}"
        grids = [processor_seconds(folder, "sweep", "-m", "grid=all", each, chunks) for each in strategies]
        return {
            "first_run": first,
            "warm_run": min(warm),
            "further_job": (grids[0] - min(warm)) / (len(CHUNKS) - 1),
            "compare": processor_seconds(folder, "compare", "grid=all"),
        }


if __name__ == "__main__":
    print(json.dumps({name: round(seconds, 1) for name, seconds in measured().items()}))
