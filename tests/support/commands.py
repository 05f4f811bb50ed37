"""Running the entry points as a user does: in a process and a folder of their own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

RUNNERS = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


def run(folder: Path, runner: str, *arguments: str, python: tuple[str, ...] = (), tree: Path = RUNNERS) -> Ended:
    """`python -m runners.<runner> <arguments>` of the project in `tree`, in `folder`, which is not the project's."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    environment |= {"PYTHONPATH": str(tree), "COLUMNS": "160"}
    command = [sys.executable, *python, "-m", f"runners.{runner}", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


def once(temporary: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` fills, once for all processes that test."""
    own = temporary.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "once" / name
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.with_suffix(".done").exists():
            shutil.rmtree(folder, ignore_errors=True)  # another process may have failed to fill it
            folder.mkdir()
            make(folder)
            folder.with_suffix(".done").touch()
    return folder
