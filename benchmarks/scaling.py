"""Equal sweeps by each launcher, against one after the other: seconds, and their share of what the cores allow.

python -m benchmarks.scaling [--jobs 32] [--launchers joblib ray] [--sweep finetune=clean]

One after the other, on one thread, the sweeps take a time that no launcher can divide by more than the number of cores:
that time, divided by this number and by what the launcher takes, is its efficiency. Nothing is logged. `submitit_slurm`
needs a Slurm: `PYTHONPATH=.:tests/support python -m clusters.slurm COMMAND` runs a command in one of two nodes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from joblib import cpu_count

from fineprune.launchers.job import THREADS

EQUAL = ["tracking=none", "draw.seed=range({jobs})"]


def seconds(launcher: str, jobs: int, sweep: Sequence[str], threads: int | None = None) -> float:
    """What a grid of so many equal sweeps takes, from its command to its summary."""
    environment = {**os.environ, **({name: str(threads) for name in THREADS} if threads else {})}
    with tempfile.TemporaryDirectory() as folder:
        jobs_of = [setting.format(jobs=jobs) for setting in EQUAL]
        where = [f"hydra/launcher={launcher}", f"hydra.sweep.dir={folder}/grid"]
        command = [sys.executable, "-m", "runners.sweep", "-m", *jobs_of, *sweep, *where]
        start = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)  # noqa: S603
        taken = time.perf_counter() - start
    if not re.search(rf"^grid \S+: {jobs} finished, 0 failed$", done.stdout, re.MULTILINE):
        sys.exit(f"error: expected {jobs} finished jobs by {launcher}, got: {done.stdout[-500:]}{done.stderr[-500:]}")
    return taken


def main() -> None:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=32)
    parser.add_argument("--launchers", nargs="+", default=["joblib", "ray"])
    parser.add_argument("--sweep", nargs="+", default=["finetune=clean"], help="settings of each")
    asked = parser.parse_args()
    cores = cpu_count()
    seconds("basic", 1, asked.sweep)  # which trains the BadNet, if it is not there
    alone = {
        "one_thread": seconds("basic", asked.jobs, asked.sweep, threads=1),
        "one_after_the_other": seconds("basic", asked.jobs, asked.sweep),
    }
    result = {"cores": cores, "jobs": asked.jobs, **{name: round(taken, 1) for name, taken in alone.items()}}
    for launcher in asked.launchers:
        taken = seconds(launcher, asked.jobs, asked.sweep)
        result[launcher] = {
            "seconds": round(taken, 1),
            "speed_up": round(alone["one_after_the_other"] / taken, 2),
            "efficiency": round(alone["one_thread"] / cores / taken, 2),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
