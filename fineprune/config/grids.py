"""A grid: the jobs of one multirun. They share files in its folder, so that any launcher will do."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from fineprune.config import identity
from fineprune.config.choices import command
from fineprune.config.instantiate import check_no_password
from fineprune.errors import ConfigError, FinepruneError, plain
from fineprune.files import write_json, write_text

KILLED = (
    "expected its process to end by itself, got it killed, as for want of memory or time: enter the same command "
    "again, which runs what is missing"
)
UNTRAINED = "its BadNet was not trained"
FINISHED, BEFORE, INAPPLICABLE, FAILED = "finished", "finished before", "not applicable", "failed"
# Before a job: its BadNet is being trained, it is there, the job is running.
WAITING, READY, STARTED = "waiting", "ready", "started"
OF_NETWORKS = ("architecture", "attack", "badnet", "data", "experiment", "seed")  # what decides on a BadNet


@dataclass(frozen=True)
class Ended:
    """How a job ended: its state, its results on one line, what makes them doubtful, and whether it is logged."""

    state: str = FINISHED
    headline: str = ""
    doubts: Sequence[str] = ()
    logged: bool = True


class Grid:
    """A multirun's folder: `grid.json`, written once, and `jobs.jsonl`, with a line for each start and end of a job."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._about, self._journal = folder, folder / "grid.json", folder / "jobs.jsonl"

    @classmethod
    def current(cls) -> Grid | None:
        """The grid that the job of this process belongs to; None in a single run."""
        settings = HydraConfig.get()
        return cls(Path(settings.sweep.dir)) if settings.mode is RunMode.MULTIRUN else None

    @property
    def about(self) -> dict[str, Any]:
        """Its `name`, the settings that are `varied`, and the number of `jobs`, None where that is not known."""
        about: dict[str, Any] = json.loads(self._about.read_text())
        return about

    def begin(self, **about: Any) -> None:
        """Make the folder, with an empty journal."""
        write_json(self._about, about)
        write_text(self._journal, "")

    def undo(self) -> None:
        """Remove what was written, and Hydra's own file about the multirun."""
        for file in (self._about, self._journal, self.folder / "multirun.yaml"):
            with suppress(OSError):
                file.unlink()

    def note(self, job: int, state: str, **more: Any) -> None:
        """Add a line to the journal, in one write, so that lines of other processes cannot break it."""
        with self._journal.open("a") as file:
            file.write(json.dumps({"job": job, "state": state, "time": time.time(), **more}) + "\n")

    def jobs(self) -> list[dict[str, Any]]:
        """The latest entry of each job, with the times, in seconds, at which it `started` and `ended`, if it has."""
        jobs: dict[int, dict[str, Any]] = {}
        if not self._journal.exists():
            return []
        for line in self._journal.read_text().splitlines():
            entry = json.loads(line)
            seconds = entry.pop("time")
            job = jobs.setdefault(entry["job"], {})
            if entry["state"] == STARTED:
                job.pop("ended", None)  # where it was noted as failed before, as for want of its BadNet
            if entry["state"] not in (WAITING, READY):
                entry["started" if entry["state"] == STARTED else "ended"] = seconds
            job |= entry
        return list(jobs.values())

    def note_killed(self) -> None:
        """Note that jobs which never ended have failed: their processes were killed, or never began."""
        jobs = {job["job"]: job for job in self.jobs()}
        for number in range(self.about["jobs"]) if self.about["jobs"] else list(jobs):
            if "ended" not in (job := jobs.get(number, {})):
                title = job.get("title", self.title(number, []))
                reason = f"{UNTRAINED}: {KILLED}" if job.get("state") == WAITING else KILLED
                self.note(number, FAILED, title=title, reason=reason, mistake=False)

    def title(self, job: int, overrides: Iterable[str]) -> str:
        """As `job 2 of 12: strategy=none seed=0`, with those of its overrides in which jobs differ."""
        of = f" of {self.about['jobs']}" if self.about["jobs"] else ""
        varied = [override for override in overrides if override.partition("=")[0] in self.about["varied"]]
        return ": ".join(filter(None, [f"job {job + 1}{of}", " ".join(varied)]))


def grid_name(settings: DictConfig) -> str | None:
    """The name of the grid that a run belongs to, by the setting `grid` or, in a multirun, by the overrides."""
    if settings.grid is not None and not re.fullmatch(r"[\w.-]+", str(settings.grid)):
        raise ConfigError(
            f"expected grid to be a name of letters, digits, -, _ and ., got {settings.grid!r}: use these alone"
        )
    grid = Grid.current()
    return grid.about["name"] if grid else settings.grid and str(settings.grid)


class Multirun(Callback):
    """Hydra calls it in the parent process, before the first job and after the last."""

    begun: ClassVar[Grid | None] = None

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Name the grid by the setting `grid` or by the overrides, and write down what its jobs differ in."""
        try:
            check_no_password(config)  # Hydra writes them all to a file
        except FinepruneError as reason:
            _refuse(reason)
        name = OmegaConf.select(config, "grid") or identity.of_grid(config.hydra.overrides.task)
        swept = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
        overrides = parsed([*swept, *config.hydra.overrides.task])
        varied = [override.get_key_element() for override in overrides if override.is_sweep_override()]
        jobs = None
        # Only Hydra's own sweeper knows the number beforehand; it reports overrides that it cannot parse itself.
        if config.hydra.sweeper._target_.endswith(BasicSweeper.__name__):
            with suppress(HydraException):
                jobs = count(overrides)
        Multirun.begun = Grid(Path(config.hydra.sweep.dir).absolute())
        try:
            Multirun.begun.begin(name=str(name), varied=varied, jobs=jobs)
        except FinepruneError as reason:
            _refuse(reason)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Print the summary; exit with status 2 if all failures were users' mistakes, with 1 if there was a bug."""
        grid = Grid(Path(config.hydra.sweep.dir))
        if not grid.jobs():
            print("error: expected at least one job, got none: let glob() match some choice", file=sys.stderr)
            sys.exit(2)
        grid.note_killed()
        failed = [job for job in grid.jobs() if job["state"] == FAILED]
        print(f"grid {grid.about['name']}: {summary(grid.jobs())}", flush=True)
        if command := comparison(config, grid):
            print(f"next: {command}", flush=True)
        for doubt, count in Counter(doubt for job in grid.jobs() for doubt in job.get("doubts", ())).items():
            print(f"warning: in {count} of {len(grid.jobs())} jobs, {plain(doubt)}", file=sys.stderr)
        if unlogged := not_logged(grid.jobs(), grid.folder, config.hydra.overrides.task):
            print(unlogged, file=sys.stderr)
        for job in failed:
            print(f"failed: {job['title']}: {job['reason']}", file=sys.stderr)
        if failed:
            sys.exit(2 if all(job["mistake"] for job in failed) else 1)


def parsed(overrides: Sequence[str]) -> list[Override]:
    """`overrides` as Hydra reads them; its choices, for `glob`, are known while it runs."""
    hydra = GlobalHydra.instance()
    loader = hydra.config_loader() if hydra.is_initialized() else None
    return OverridesParser.create(config_loader=loader).parse_overrides(list(overrides))


def count(overrides: list[Override]) -> int:
    """How many jobs Hydra makes of `overrides`."""
    return sum(map(len, BasicSweeper.split_arguments(overrides, None)))


def _refuse(reason: FinepruneError) -> NoReturn:
    """Leave, since Hydra warns of an Exception here, and goes on."""
    print(f"error: {plain(reason)}", file=sys.stderr)
    sys.exit(2)


def summary(jobs: Iterable[Mapping[str, Any]]) -> str:
    """How `jobs` ended, as `35 finished (12 of them before), 1 failed`."""
    states = [job["state"] for job in jobs]
    before, failed, other = (states.count(state) for state in (BEFORE, FAILED, INAPPLICABLE))
    parts = [f"{states.count(FINISHED) + before} finished" + (f" ({before} of them before)" if before else "")]
    parts += [f"{other} not applicable"] if other else []
    return ", ".join([*parts, f"{failed} failed"])


def publication(folder: Path, overrides: Iterable[str]) -> str:
    """The command that logs what `folder` holds, to where `overrides` say."""
    return command("publish", str(folder), *(text for text in overrides if text.startswith("tracking.")))


def not_logged(jobs: Sequence[Mapping[str, Any]], folder: Path, overrides: Iterable[str]) -> str:
    """A line on `jobs` that the store did not take, with the one command that logs them all; empty if it took all."""
    unlogged = sum(not job.get("logged", True) for job in jobs)
    if not unlogged:
        return ""
    later = publication(folder, overrides)
    return f"warning: {unlogged} of {len(jobs)} jobs not logged yet. Their results are whole: later, {later}"


def comparison(config: DictConfig, grid: Grid) -> str:
    """The command that compares the finished sweeps of `grid`; empty where there are none, or they were not logged."""
    where = [text for text in config.hydra.overrides.task if text.startswith("tracking.")]
    varied = any(setting.partition(".")[0] == "tracking" for setting in grid.about["varied"])
    finished = any(job["state"] in (FINISHED, BEFORE) for job in grid.jobs())
    if varied or not finished or config.hydra.runtime.choices.get("tracking") != "mlflow":
        return ""
    name = grid.about["name"]
    as_it_stands = OverridesParser.create().parse_override(f"grid={name}").value()
    setting = f"grid={name}" if str(as_it_stands) == name else f'grid="{name}"'
    return command("compare", setting, *where)


def progress(grid: Grid) -> str:
    """How far the grid is, as `3 finished, 1 failed, 2 running, about 14 min left`."""
    jobs, total = grid.jobs(), grid.about["jobs"]
    running = [job for job in jobs if job["state"] == STARTED]
    ran = [job["ended"] - job["started"] for job in jobs if job["state"] == FINISHED]
    text = f"{summary(jobs)}, {len(running)} running"
    if total is None or not ran:
        return text
    seconds = sum(ran) / len(ran) * (total - sum("ended" in job for job in jobs)) / max(len(running), 1)
    return f"{text}, about {duration(seconds)} left"


def duration(seconds: float) -> str:
    """As `75 s`, or `14 min`."""
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"
