"""What every runner shares: Hydra for the settings, and one line with exit status 2 for a user's mistake."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

import fineprune
from fineprune import launchers, plugins
from fineprune.config import grids, mistakes
from fineprune.config import help as help_of
from fineprune.config.choices import CONF
from fineprune.config.instantiate import check_no_password
from fineprune.config.overrides import readable
from fineprune.config.start import load_tensorflow
from fineprune.errors import ConfigError, Doubt, FinepruneError, TrackingError, line, plain, printable, without_secrets
from fineprune.launchers.job import Need

if TYPE_CHECKING:
    from fineprune.tracking import Tracking

Job = Callable[[DictConfig, Path], grids.Ended | None]


def _open(name: str) -> None:
    """Have any setting in `name`, which a struct, whose keys are fixed, refuses."""
    open_group = OmegaConf.create({name: OmegaConf.create({}, flags={"struct": False})})
    ConfigStore.instance().store(f"open_{name}", open_group, group="schema")


_open("poisoned")  # data.poisoned.NAME=FILE
_open("space")  # tune.space.strategy.NAME=…


class Stopped(KeyboardInterrupt):
    """A signal asks the process to end: Ctrl-C, a terminal that is closed, a cluster before it kills.

    `received` are the signals that did: where compiled code made another error of it, too.
    """

    received: ClassVar[list[int]] = []


def run(
    job: Job, config: str, positional: str | None = None, tensorflow: bool = True, badnets_first: bool = False
) -> None:
    """Run `job(settings, run folder)` under Hydra with the settings of `conf/<config>.yaml` and the command line.

    `job` may return how it ended, for the line that it has in a grid; None means finished. An argument that is not
    KEY=VALUE is the value of the setting `positional`. If the job needs TensorFlow, `tensorflow` loads it first. With
    `badnets_first` a BadNet that several jobs of a grid side by side need is trained before they begin.
    """
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors reach this function rather than Hydra's own printing
    sys.excepthook = _print_bug
    warnings.formatwarning = lambda message, *_, **__: f"warning: {plain(message)}\n"

    def task(settings: DictConfig) -> None:
        folder = Path(HydraConfig.get().runtime.output_dir)
        grid = grids.Grid.current()
        try:
            check_no_password(settings)
            if tensorflow:
                _load_tensorflow(quietly=bool(settings.get("quiet")))
            if grid:
                _in_grid(grid, job, settings, folder)
            else:
                job(settings, folder)
        except Exception as error:
            _leave_or_raise(error, config)
        finally:
            _remove_empty(folder)

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a results table must not fail over a ′
    with _until_stopped():
        try:
            if {"-h", "--help"} & set(sys.argv[1:]):
                print(help_of.text(config, sys.argv[1:]), end="")
                return
            if "--version" in sys.argv[1:]:
                print(fineprune.__version__)
                return
            sys.argv[1:] = readable(sys.argv[1:], positional)
            _compose(config, task, BADNET if badnets_first else None)
        except Exception as error:
            _leave_or_raise(error, config)
        finally:
            if (grid := grids.Multirun.begun) and not grid.jobs():
                grid.undo()
                _remove_empty(grid.folder)


def _compose(config: str, task: Callable[[DictConfig], None], need: Need | None) -> None:
    """Have Hydra compose the settings, and call `task` with them, once or for each job of a grid.

    Jobs may have to have `need` first.
    """
    begun = False
    plugins.register()
    launchers.register(need)

    def begin(settings: DictConfig) -> None:
        nonlocal begun
        begun = True
        task(settings)

    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=config)(begin)()
    except Exception as error:
        if begun or grids.Multirun.begun or _line(error) is not None:
            raise
        raise ConfigError(f"expected settings that can be read, got: {line(error)}; mend their file") from error


@contextmanager
def _until_stopped() -> Iterator[None]:
    """Turn a signal to end into Stopped within the block, and leave with its status, 128 and its number."""
    handled: list[int] = []
    Stopped.received = []

    def stop(number: int, _: Any) -> None:
        # A cluster may send it to every process of a job, and again, or another: what tidies up goes on. Only Ctrl-C
        # now ends it at once.
        for other in handled:
            signal.signal(other, signal.SIG_DFL if other == signal.SIGINT else signal.SIG_IGN)
        Stopped.received.append(number)
        raise Stopped(signal.Signals(number).name)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            handled.append(number)
            signal.signal(number, stop)
    try:
        yield
    except BaseException:
        # Compiled code makes other errors of it.
        if not Stopped.received:
            raise
        with suppress(OSError):  # the terminal may be gone
            print("stopped", file=sys.stderr)
        sys.exit(128 + Stopped.received[0])


def _print_bug(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    """Print the traceback of `error`, which may quote a stranger, with nothing that a terminal obeys."""
    print(printable(without_secrets("".join(traceback.format_exception(error)))), end="", file=sys.stderr)


def _load_tensorflow(quietly: bool) -> None:
    """Load it, which takes seconds, under a word on the terminal; with `quietly` without one."""
    from fineprune.progress import hidden, stage  # with Rich, which completing a command must not wait for

    with hidden() if quietly else nullcontext(), stage("loading TensorFlow"):
        load_tensorflow()


def publish(tracking: Tracking, folder: Path) -> bool:
    """Log what the record in `folder` says, and return whether the log took it.

    Only warn if it took nothing: the results are in the folder. The end of a grid says how to log those of all jobs.
    """
    try:
        tracking.publish(folder)
    except TrackingError as reason:
        later = f". The results are whole: later, {grids.publication(folder, HydraConfig.get().overrides.task)}"
        print(f"warning: not logged yet, {plain(reason)}{'' if grids.Grid.current() else later}", file=sys.stderr)
        return False
    return True


def _in_grid(grid: grids.Grid, job: Job, settings: DictConfig, folder: Path) -> None:
    """Run one of many jobs; if it fails, the others go on."""
    from fineprune.progress import stage  # with Rich, which completing a command must not wait for

    number = HydraConfig.get().job.num
    title = grid.title(number, HydraConfig.get().overrides.task)
    grid.note(number, grids.STARTED, title=title)
    started = time.monotonic()
    try:
        with stage(f"{grids.progress(grid)}: {title}"), warnings.catch_warnings():
            warnings.simplefilter("ignore", Doubt)  # the end of the grid prints each once
            ended = job(settings, folder) or grids.Ended()
        grid.note(number, ended.state, doubts=list(ended.doubts), logged=ended.logged)
        cost = "" if ended.state == grids.BEFORE else f", {time.monotonic() - started:.0f} s, {_near(folder)}"
        print(f"{title}: {ended.headline or ended.state}{cost}", flush=True)
    except Exception as error:
        if Stopped.received:
            raise
        reason, mistake = _reason(error)
        grid.note(number, grids.FAILED, reason=reason, mistake=mistake)
        print(f"error in {title}: {reason}", file=sys.stderr)


def _train(settings: Mapping[int, DictConfig], jobs: Mapping[int, Sequence[str]]) -> bool:
    """Train the BadNet that these jobs of a grid need, unless it is kept, and note and return whether it is there.

    It is not trained for jobs whose settings are all mistaken: they fail at once.
    """
    grid = grids.Grid(Path(HydraConfig.get().sweep.dir))
    for number, overrides in jobs.items():
        grid.note(number, grids.WAITING, title=grid.title(number, overrides))
    load_tensorflow()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its sweeps will warn
        failed = {number: wrong for number, each in settings.items() if (wrong := _mistake(each))}
        if not (right := settings.keys() - failed.keys()):
            return _note_failed(grid, failed)
        try:
            from fineprune.config import setup

            setup.obtain_badnet(settings[min(right)])
        except Exception as error:
            reason, mistake = _reason(error)
            return _note_failed(grid, dict.fromkeys(jobs, (f"{grids.UNTRAINED}: {reason}", mistake)))
    for number in jobs:
        grid.note(number, grids.READY)
    return True


def _mistake(settings: DictConfig) -> tuple[str, bool] | None:
    """Why a job could not begin with these settings, and whether it is a mistake of the user's; None if it could."""
    from fineprune.config import setup

    try:
        check_no_password(settings)
        setup.build_parts(settings)
    except Exception as error:
        return _reason(error)
    return None


def _note_failed(grid: grids.Grid, failed: Mapping[int, tuple[str, bool]]) -> bool:
    for number, (reason, mistake) in failed.items():
        grid.note(number, grids.FAILED, reason=reason, mistake=mistake)
    print(f"error: {len(failed)} jobs cannot begin: {next(iter(failed.values()))[0]}", file=sys.stderr)
    return False


def _is_trained(settings: DictConfig) -> bool:
    """Whether the BadNet that these settings name is not from a file."""
    return bool(settings.badnet.get("_target_") == "fineprune.badnets.Trained")


BADNET = Need(grids.OF_NETWORKS, _is_trained, _train)


def _reason(error: Exception) -> tuple[str, bool]:
    """What went wrong, on one line, and whether it is a mistake of the user's; the traceback of a bug is printed."""
    said = _line(error)
    if said is None:
        _print_bug(type(error), error, None)
    return said or plain(f"{type(error).__name__}: {error}"), said is not None and _status(error) == 2


def _leave_or_raise(error: Exception, config: str) -> NoReturn:
    """Leave with the line of a user's mistake; raise a bug again."""
    if _line(error) is None:
        raise error
    try:
        mistakes.reword(error, config, sys.argv[1:])
    except FinepruneError as reworded:
        _leave(reworded)
    _leave(error)


def _near(folder: Path) -> Path:
    """`folder`, from where the user is if it is below."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def _leave(error: Exception) -> NoReturn:
    print(f"error: {_line(error)}", file=sys.stderr)
    sys.exit(_status(error))


def _remove_empty(folder: Path) -> None:
    """Remove `folder`, and the folders around it up to outputs/, if they are empty."""
    outputs = Path.cwd() / "outputs"
    with suppress(OSError):
        folder.rmdir()
        while outputs in folder.parents:
            folder = folder.parent
            folder.rmdir()


def _status(error: BaseException) -> int:
    """The exit status of an error that has a line: 1 for a strategy's bug, else 2."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, FinepruneError):
        cause = cause.__cause__
    return cause.status if cause else 2


def _line(error: BaseException) -> str | None:
    """The message of a user's mistake on one line; None for a bug."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, FinepruneError):
            return plain(cause)
        if isinstance(cause, OSError) and cause.filename is not None:
            place = plain(cause.filename)
            return f"expected to read or write {place}, got: {cause.strerror}; free it or choose another place"
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"expected room to write, got: {cause.strerror}; free some or choose another place"
        cause = cause.__cause__
    if isinstance(error, HydraException | OmegaConfBaseException | YAMLError):
        return plain(f"{error} {error.__cause__ or ''}".partition("Config search path")[0])
    return None
