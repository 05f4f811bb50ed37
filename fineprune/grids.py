"""A grid: the jobs of one multirun. What they share stands in files in its folder, so that any launcher will do."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from fineprune.errors import ConfigError, FinepruneError
from fineprune.files import write_json, write_text

FINISHED, BEFORE, INAPPLICABLE, FAILED = "finished", "finished before", "not applicable", "failed"


class Grid:
    """The grid in the folder of a multirun: `grid.json` is written once, `jobs.jsonl` gains a line when a job does."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._about, self._journal = folder, folder / "grid.json", folder / "jobs.jsonl"

    @classmethod
    def current(cls) -> Grid | None:
        """The one that the job of this process belongs to; None in a single run."""
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
        """Remove what was written, and Hydra's own note of it."""
        for file in (self._about, self._journal, self.folder / "multirun.yaml"):
            with suppress(OSError):
                file.unlink()

    def note(self, job: int, state: str, **more: Any) -> None:
        """Add a line to the journal. A line is one write, and so stays whole among those of other processes."""
        with self._journal.open("a") as file:
            file.write(json.dumps({"job": job, "state": state, "time": time.time(), **more}) + "\n")

    def jobs(self) -> list[dict[str, Any]]:
        """The last line of each job's, its times under `started` and, once it has ended, `ended`."""
        found: dict[int, dict[str, Any]] = {}
        if not self._journal.exists():
            return []
        for line in self._journal.read_text().splitlines():
            said = json.loads(line)
            when = said.pop("time")
            known = found.setdefault(said["job"], {"started": when})
            known |= said | ({} if said["state"] == "started" else {"ended": when})
        return list(found.values())

    def title(self, job: int, overrides: Iterable[str]) -> str:
        """As `job 2 of 12: strategy=none seed=0`, with those of its overrides in which jobs differ."""
        of = f" of {self.about['jobs']}" if self.about["jobs"] else ""
        varied = [override for override in overrides if override.partition("=")[0] in self.about["varied"]]
        return f"job {job + 1}{of}: {' '.join(varied)}"


def named(settings: DictConfig) -> str | None:
    """The name of the grid that a run belongs to, by the setting `grid` or, in a multirun, by what was asked for."""
    if settings.grid is not None and not re.fullmatch(r"[\w.-]+", str(settings.grid)):
        raise ConfigError(
            f"expected grid to be a name of letters, digits, -, _ and ., got {settings.grid!r}: set such a name"
        )
    grid = Grid.current()
    return grid.about["name"] if grid else settings.grid and str(settings.grid)


class Multirun(Callback):
    """What Hydra calls in the parent of the jobs, before the first of them and after the last."""

    begun: ClassVar[Grid | None] = None

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Name the grid: the same for the same overrides, whatever their order, but for those of tracking."""
        asked = [text for text in config.hydra.overrides.task if not text.startswith(("tracking", "grid="))]
        name = OmegaConf.select(config, "grid") or hashlib.sha256(repr(sorted(asked)).encode()).hexdigest()[:6]
        given = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
        parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
        overrides = parser.parse_overrides([*given, *config.hydra.overrides.task])
        varied = [override.get_key_element() for override in overrides if override.is_sweep_override()]
        jobs = None
        # Of the sweepers Hydra's own alone knows beforehand; what it cannot take, it will say itself.
        if config.hydra.sweeper._target_.endswith(BasicSweeper.__name__):
            with suppress(HydraException):
                jobs = sum(map(len, BasicSweeper.split_arguments(overrides, None)))
        Multirun.begun = Grid(Path(config.hydra.sweep.dir).absolute())
        try:
            Multirun.begun.begin(name=str(name), varied=varied, jobs=jobs)
        except FinepruneError as reason:
            # Hydra warns of an Exception here, and goes on.
            print(f"error: {reason}", file=sys.stderr)
            sys.exit(2)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Sum up, and leave with status 2 where users' mistakes were all that failed, with 1 where there was a bug."""
        grid = Grid(Path(config.hydra.sweep.dir))
        if not grid.jobs():
            print("error: expected at least one job, got none: let glob() match some choice", file=sys.stderr)
            sys.exit(2)
        failed = [job for job in grid.jobs() if job["state"] == FAILED]
        print(f"grid {grid.about['name']}: {summary(grid)}", flush=True)
        for job in failed:
            print(f"failed: {job['title']}: {job['reason']}", file=sys.stderr)
        if failed:
            sys.exit(2 if all(job["mistake"] for job in failed) else 1)


def summary(grid: Grid) -> str:
    """How the jobs ended, as `35 finished (12 of them before), 1 failed`."""
    states = [job["state"] for job in grid.jobs()]
    before, failed, other = (states.count(state) for state in (BEFORE, FAILED, INAPPLICABLE))
    said = [f"{states.count(FINISHED) + before} finished" + (f" ({before} of them before)" if before else "")]
    said += [f"{other} not applicable"] if other else []
    return ", ".join([*said, f"{failed} failed"])


def progress(grid: Grid) -> str:
    """How far the grid is, as `3 finished, 1 failed, 2 running, about 14 min left`."""
    jobs, total = grid.jobs(), grid.about["jobs"]
    running = [job for job in jobs if "ended" not in job]
    ran = [job["ended"] - job["started"] for job in jobs if job["state"] == FINISHED]
    said = f"{summary(grid)}, {len(running)} running"
    if total is None or not ran:
        return said
    seconds = sum(ran) / len(ran) * (total - len(jobs) + len(running)) / max(len(running), 1)
    return f"{said}, about {f'{seconds / 60:.0f} min' if seconds > 90 else f'{seconds:.0f} s'} left"
