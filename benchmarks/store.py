"""How many runs a second a store takes from 1, 4, 16 and 64 processes that log at once, all that a sweep leaves behind.

python -m benchmarks.store [--writers 1 4] [--runs 64]

The store is a new SQLite file, or the server that MLFLOW_TRACKING_URI names, to whose experiment `benchmark` it adds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import uuid4

from fineprune.errors import TrackingError
from fineprune.report import records
from fineprune.tracking import MlflowTracking

EXPERIMENT = "benchmark"
READY = 600  # seconds for all writers to load, after which one must have been killed


def swept(folder: Path) -> Path:
    """The folder of a sweep as it stands: generated faces, `resnet`, one trigger, three budgets."""
    command = [sys.executable, "-m", "runners.sweep", "tracking=none", "quiet=true", f"hydra.run.dir={folder}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    return folder


def copied(original: Path, folder: Path) -> Path:
    """The folder of another sweep that found the same."""
    shutil.copytree(original, folder)
    record = records.read(original)
    tags = {**record.tags, "identity": uuid4().hex}
    records.write(replace(record, key=uuid4().hex, tags=tags), folder)
    return folder


def write(uri: str, folders: Sequence[Path], begin: Any) -> int:
    """Log these as their sweeps would, once all are ready to `begin`; return how many the store did not take."""
    tracking, refused = MlflowTracking(EXPERIMENT, uri), 0
    try:
        tracking.open()
    finally:  # or all others would wait
        begin.wait()
    for folder in folders:
        try:
            with tracking.run(records.read(folder)):
                pass
            tracking.publish(folder)
        except TrackingError:
            refused += 1
    return refused


def measure(uri: str, folders: Sequence[Path], writers: int) -> dict[str, float]:
    """Runs a second from so many `writers`, and how many of the runs were not taken at the first attempt."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["mlflow", "fineprune.tracking"])
    with context.Manager() as manager, ProcessPoolExecutor(writers, context) as pool:
        begin = manager.Barrier(writers + 1, timeout=READY)
        # Where a writer is killed, the others' results are errors: nothing waits for it.
        writing = [pool.submit(write, uri, folders[number::writers], begin) for number in range(writers)]
        begin.wait()
        start = time.perf_counter()
        refused = sum(one.result() for one in writing)
        seconds = time.perf_counter() - start
    return {"runs_per_second": round((len(folders) - refused) / seconds, 2), "refused": refused}


def main() -> None:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--runs", type=int, default=64, help="to log each time")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        original = swept(folder / "original")
        uri = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        MlflowTracking(EXPERIMENT, uri).open()
        record = records.read(original)
        result: dict[str, Any] = {
            "store": uri.partition("://")[0],
            "values_a_run": sum(map(len, record.steps.values())) + len(record.metrics),
            "files_a_run": len(record.files) + len(record.nets),
            "bytes_a_run": sum((original / name).stat().st_size for name in {*record.files, *record.nets}),
        }
        for writers in asked.writers:
            folders = [copied(original, folder / f"{writers}_{number}") for number in range(asked.runs)]
            result[f"writers_{writers}"] = measure(uri, folders, writers)
            for each in folders:
                shutil.rmtree(each)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
