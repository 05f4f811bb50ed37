"""Running the entry points as a user does: in a process and a folder of their own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

RUNNERS = Path(__file__).parent.parent


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


def run(folder: Path, runner: str, *arguments: str, python: tuple[str, ...] = ()) -> Ended:
    """`python -m runners.<runner> <arguments>` in `folder`, which is not the project's."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    environment |= {"PYTHONPATH": str(RUNNERS), "COLUMNS": "160"}
    command = [sys.executable, *python, "-m", f"runners.{runner}", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)
