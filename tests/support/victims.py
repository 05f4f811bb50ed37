"""Runners in forked processes, which start warm, so that many can be killed: loading TensorFlow alone takes seconds."""

import importlib
import os
import re
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Any

import fineprune  # noqa: F401  chooses Keras 2, so it stands before anything that imports TensorFlow

import mlflow.models
import mlflow.store.tracking.sqlalchemy_store
import pytest
from nets import deepid

from fineprune.files import save_model
from fineprune.config import command_line, setup  # noqa: F401
from fineprune.report import run_folder  # noqa: F401
from fineprune.untrusted import network_files  # noqa: F401

SERVER = get_context("forkserver")

DATA = ("data.identities=3", "data.train=6", "data.clean_valid=4", "data.clean_test=4", "badnet.epochs=1")
SWEEP = ("sweep", *DATA, "architecture=deepid", "strategy.chunk=20", "budgets=[]")

CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "sqlite3.connect")


def give(folder: Path) -> None:
    """Fill `folder` with a network, a BadNet, an empty store, and a finished sweep that is not logged."""
    (folder / "mlruns").mkdir()
    save_model(deepid(seed=0), folder / "net.h5")
    mlflow.MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db").search_experiments()
    ended = perform(folder, (*SWEEP, "strategy.chunk=30", "tracking=none", "hydra.run.dir=out"))
    assert ended.status == 0, said(folder)


def said(folder: Path) -> str:
    """What the last process in `folder` printed, less what TensorFlow's compiled parts say."""
    lines = folder.with_suffix(".txt").read_text(errors="replace").splitlines()
    return "\n".join(line for line in lines if not re.match(r"[IW]\d{4} |WARNING: All log|WARNING:tensorflow", line))


def warm() -> None:
    """Start the process that all others are forked from, before any is performed."""
    here = Path(__file__).parent
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_TRACKING")]:
            patch.delenv(name)
        # Before Python 3.13 the server does not get sys.path, and then imports nothing without a word.
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (here, here.parents[1]))))
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
    said = os.open(folder.with_suffix(".txt"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
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
        save_model(deepid(seed=1), Path("net.h5"))
        return
    job = getattr(importlib.import_module(f"runners.{runner}"), runner)
    command_line.run(job, runner, positional="folder" if runner == "publish" else None)


def _writes(event: str, about: tuple[Any, ...]) -> bool:
    return event != "open" or bool(about[2] & (os.O_WRONLY | os.O_RDWR))


def _within(folder: Path, path: Any) -> bool:
    with suppress(TypeError):
        return Path(os.fsdecode(path)).absolute().is_relative_to(folder)
    return False
