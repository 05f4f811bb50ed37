"""Runners in forked processes, which start warm, so that many can be killed: loading TensorFlow alone takes seconds."""

import importlib
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Any

import fineprune  # noqa: F401  chooses Keras 2, so it stands before anything that imports TensorFlow

import matplotlib.figure  # noqa: F401
import mlflow.tracking._model_registry.utils  # noqa: F401
import mlflow.models  # noqa: F401
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
import pytest
from nets import deepid

from fineprune import cli, experiment, model_files, report  # noqa: F401

SERVER = get_context("forkserver")

CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "sqlite3.connect")


def warm(patch: pytest.MonkeyPatch) -> None:
    """Start the process that all others are forked from, in the environment that `patch` may change."""
    # Before Python 3.13 the server does not get sys.path, and then imports nothing without a word.
    here = Path(__file__).parent
    patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (here, here.parent))))
    SERVER.set_forkserver_preload([__name__])
    forkserver.ensure_running()


@dataclass(frozen=True)
class Died:
    """How a process ended, after how many seconds and changes of files in its folder."""

    status: int | None
    seconds: float
    changes: int


def perform(
    folder: Path, command: tuple[str, ...], *, seconds: float | None = None, changes: int = sys.maxsize
) -> Died:
    """Run `command`, a runner and its arguments, in `folder`; kill it after `seconds`, or as it makes a change."""
    made = SERVER.Value("i", 0)
    victim = SERVER.Process(target=_victim, args=(folder, command, made, changes))
    victim.start()
    start = time.perf_counter()
    victim.join(seconds)
    victim.kill()
    victim.join()
    return Died(victim.exitcode, time.perf_counter() - start, made.value)


def _victim(folder: Path, command: tuple[str, ...], made: Any, last: int) -> None:
    os.chdir(folder)
    said = os.open(folder.parent / f"{folder.name}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)

    def count(event: str, about: tuple[Any, ...]) -> None:
        if event in CHANGES and _writes(event, about) and _within(folder, about[0]):
            made.value += 1
            if made.value == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    runner, *sys.argv[1:] = command
    if runner == "save":
        model_files.save_model(deepid(seed=1), Path("net.h5"))
        return
    job = getattr(importlib.import_module(f"runners.{runner}"), runner)
    cli.run(job, runner, positional="folder" if runner == "publish" else None)


def _writes(event: str, about: tuple[Any, ...]) -> bool:
    return event != "open" or bool(about[2] & (os.O_WRONLY | os.O_RDWR))


def _within(folder: Path, path: Any) -> bool:
    with suppress(TypeError):
        return Path(os.fsdecode(path)).absolute().is_relative_to(folder)
    return False
