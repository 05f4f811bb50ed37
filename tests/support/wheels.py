"""The wheel, built from a copy of the tree, and an environment of its own that it is installed in."""

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import RUNNERS, Ended, once

PARTS = ("conf", "fineprune", "runners", "strategies", "tests")
FILES = ("setup.py", "pyproject.toml", "README.md", "LICENSE")
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def copy(tree: Path) -> None:
    """Make `tree` a copy of what this program is built of."""
    for part in PARTS:
        shutil.copytree(RUNNERS / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(RUNNERS / name, tree)


def build(tree: Path, folder: Path) -> Path:
    """The wheel of the project in `tree`, built into `folder`."""
    command = [*PIP, "wheel", ".", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run(command, cwd=tree, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def wheel(temporary: pytest.TempPathFactory) -> Path:
    """The wheel of this program, built once for all tests."""

    def make(folder: Path) -> None:
        copy(folder / "tree")
        build(folder / "tree", folder)

    return next(once(temporary, "wheel", make).glob("*.whl"))


@dataclass(frozen=True)
class Environment:
    """A virtual environment: what is installed in it comes before what the tests run with, which it sees too."""

    folder: Path

    @property
    def packages(self) -> Path:
        """Its site-packages."""
        return next(self.folder.glob("lib/python*/site-packages"))

    def make(self, *wheels: Path) -> None:
        """Install `wheels`, whose dependencies are those of the tests."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.folder], check=True)
        python = str(self.folder / "bin" / "python")
        subprocess.run([*PIP, "--python", python, "install", "--no-deps", "--no-index", *wheels], check=True)
        # A path alone: what is installed there as editable, this program too, is not seen.
        (self.packages / "tests.pth").write_text(sysconfig.get_path("purelib"))

    def run(self, folder: Path, *command: str) -> Ended:
        """Run a command of this environment in `folder`."""
        left_out = ("MLFLOW", "PYTHON", "VIRTUAL_ENV")
        variables = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
        variables |= {"PATH": os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]]), "COLUMNS": "160"}
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
        return Ended(done.returncode, done.stdout, done.stderr)
