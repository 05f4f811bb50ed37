"""What every runner shares: Hydra in front, one line and exit status 2 behind a user's mistake."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fineprune import grids
from fineprune.errors import ConfigError, FinepruneError

Job = Callable[[DictConfig, Path], str | None]

# `data.poisoned.NAME=FILE` may bring any NAME: a struct's keys would have to be known.
ConfigStore.instance().store(
    "open_poisoned", OmegaConf.create({"poisoned": OmegaConf.create({}, flags={"struct": False})}), group="schema"
)


def run(job: Job, config: str, positional: str | None = None, tensorflow: bool = True) -> None:
    """Run `job(settings, run folder)` under Hydra with the settings of `conf/<config>.yaml` and the command line.

    `job` may tell how it ended, by one of the states of `grids`; nothing means finished. An argument that is no
    KEY=VALUE is the value of the setting `positional`. `tensorflow` says whether the job needs it: then it is loaded
    quietly first.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors reach this function rather than Hydra's own printing
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"

    def task(settings: DictConfig) -> None:
        folder = Path(HydraConfig.get().runtime.output_dir)
        grid = grids.Grid.current()
        try:
            if tensorflow:
                with _quiet_start():
                    import tf_keras  # noqa: F401
            if grid:
                _in_grid(grid, job, settings, folder)
            else:
                job(settings, folder)
        except Exception as error:
            if _line(error) is None:
                raise
            _remove_empty(folder)
            _leave(error)
        _remove_empty(folder)

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a results table must not fail over a ′
    try:
        if positional:
            sys.argv[1:] = [_named(argument, positional) for argument in sys.argv[1:]]
        _check_flags(sys.argv[1:])
        hydra.main(version_base="1.3", config_path="pkg://conf", config_name=config)(task)()
    except KeyboardInterrupt:
        sys.exit("stopped")
    except Exception as error:
        if _line(error) is None:
            raise
        _leave(error)
    finally:
        if (grid := grids.Multirun.begun) and not grid.jobs():
            grid.undo()
            _remove_empty(grid.folder)


def _in_grid(grid: grids.Grid, job: Job, settings: DictConfig, folder: Path) -> None:
    """Run one of many jobs: whatever becomes of it, the others go on."""
    number = HydraConfig.get().job.num
    title = grid.title(number, HydraConfig.get().overrides.task)
    grid.note(number, "started", title=title)
    print(title, flush=True)
    if sys.stderr.isatty():
        print(grids.progress(grid), file=sys.stderr)
    try:
        grid.note(number, job(settings, folder) or grids.FINISHED)
    except Exception as error:
        line = _line(error)
        if line is None:
            traceback.print_exc()
        reason = line or f"{type(error).__name__}: {' '.join(str(error).split())}"
        grid.note(number, grids.FAILED, reason=reason, mistake=line is not None)
        print(f"error in {title}: {reason}", file=sys.stderr)


def _named(argument: str, key: str) -> str:
    """A setting `key` of an argument that is a value alone, or a folder with a = in its name."""
    if argument.startswith("-") or ("=" in argument and not Path(argument).is_dir()):
        return argument
    escaped = argument.replace("\\", "\\\\").replace("'", "\\'")
    return f"{key}='{escaped}'"


def _leave(error: Exception) -> NoReturn:
    print(f"error: {_line(error)}", file=sys.stderr)
    sys.exit(2)


def _remove_empty(folder: Path) -> None:
    """Remove `folder`, and what Hydra made around it under outputs/, where there is nothing in them."""
    outputs = Path.cwd() / "outputs"
    with suppress(OSError):
        folder.rmdir()
        while outputs in folder.parents:
            folder = folder.parent
            folder.rmdir()


def _check_flags(arguments: list[str]) -> None:
    """Refuse unknown flags in one line, where argparse would print the whole usage."""
    _, unknown = get_args_parser().parse_known_args(arguments)
    if unknown:
        raise ConfigError(f"expected settings as KEY=VALUE, got '{unknown[0]}': --help lists them")


def _line(error: BaseException) -> str | None:
    """The message of a user's mistake on one line; None for a bug."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, FinepruneError):
            return " ".join(str(cause).split())
        if isinstance(cause, OSError) and cause.filename is not None:
            return f"expected to read or write {cause.filename}, got: {cause.strerror}; free it or choose another place"
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"expected room to write, got: {cause.strerror}; free some or choose another place"
        cause = cause.__cause__
    if isinstance(error, HydraException | OmegaConfBaseException):
        text = f"{error} {error.__cause__ or ''}".partition("Config search path")[0]
        return " ".join(text.split())
    return None


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Hide what TensorFlow's compiled parts write to standard error while they load: no log level reaches it."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
