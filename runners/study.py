"""Sweep every method on every network that a study lists, and compare them; what has finished is not run again.

python -m runners.study study=short
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from pydantic import Field

from fineprune.checks import Names, checked
from fineprune.config import command_line, grids
from fineprune.errors import ConfigError

Name = Annotated[str, Field(pattern=r"^[\w.-]+$", description="a name of letters, digits, -, _ and .")]
Block = Annotated[Mapping[Literal["networks", "methods"], Names], Field(min_length=2)]
Blocks = Annotated[Mapping[str, Block], Field(description="blocks of networks and methods, lists of lines of settings")]
OF_LAUNCHERS = ("hydra/launcher=", "hydra.launcher.")


@dataclass(frozen=True)
class Part:
    """A grid of a study: a runner, and the overrides that all combinations of are its jobs."""

    runner: str
    overrides: Sequence[str]

    def __str__(self) -> str:
        return f"{self.runner} {shlex.join(self.overrides)}"

    @property
    def count(self) -> int:
        """How many jobs it has."""
        return grids.count(grids.parsed(self.overrides))


@dataclass
class Ran:
    """A part that has run: its exit status, the entries of its `jobs`, and the seconds that it took."""

    part: Part
    status: int
    jobs: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failures(self) -> list[str]:
        """What went wrong, a line each."""
        failed = [f"{job['title']}: {job['reason']}" for job in self.jobs if job["state"] == grids.FAILED]
        return failed or ([f"exit status {self.status}"] if self.status else [])


class Study:
    """What a YAML in `conf/study` lists: in each of `blocks`, every method on every network, both lines of settings.

    `always` is a line of settings that all networks share. The networks of a block that are not from files are trained
    before it is swept, so that jobs side by side never wait for the same one. All sweeps are of the grid `name`.
    """

    @checked("study")
    def __init__(self, name: Name, always: str, blocks: Blocks) -> None:
        self.name, self.always, self.blocks = name, always, blocks

    def parts(self, more: str = "") -> Iterator[Part]:
        """Its grids in their order; every sweep has the settings in `more`, too, and training those of launchers."""
        launcher = [setting for setting in shlex.split(more) if setting.startswith(OF_LAUNCHERS)]
        for block in self.blocks.values():
            networks = [shlex.split(f"{self.always} {network}") for network in block["networks"]]
            for network in networks:
                if all(not setting.startswith("badnet=") or setting == "badnet=trained" for setting in network):
                    yield Part("train_badnet", [*network, *launcher])
            for network in networks:
                for method in block["methods"]:
                    yield Part("sweep", [f"grid={self.name}", *network, *shlex.split(f"{method} {more}")])


@checked("")
def check_more(more: str | None) -> str:
    """The line `more`; raises ConfigError unless it is one of settings that leave the networks as they are."""
    for setting in shlex.split(more or ""):
        if setting.partition("=")[0].split(".")[0] in grids.OF_NETWORKS:
            raise ConfigError(
                f"expected more to leave the networks as they are, got {setting}: set it in a study of your own"
            )
    return more or ""


def run(runner: str, *arguments: str) -> int:
    """The exit status of that runner, in a process of its own. What stops this process stops that one, too."""
    command = [sys.executable, "-m", f"fineprune.runners.{runner}", *arguments]
    with subprocess.Popen(command) as process:  # noqa: S603 – no shell reads it
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            raise


def run_part(part: Part, folder: Path) -> Ran:
    """Run it with its run folders in `folder`. Every sweep is a grid, even of one job: a single run always runs."""
    grid, started = grids.Grid(folder), time.monotonic()
    grid.undo()  # of an earlier study in the same folder
    status = run(part.runner, "-m", *part.overrides, f"hydra.sweep.dir={folder}")
    return Ran(part, status, grid.jobs(), time.monotonic() - started)


def study(settings: DictConfig, folder: Path) -> None:
    """Run the parts one after the other, then compare; a part that is stopped stops the study."""
    if grids.Grid.current():
        raise ConfigError("expected one study, got -m: run one after the other")
    more, planned = check_more(settings.more), Study(**OmegaConf.to_container(settings.study))  # type: ignore[arg-type]
    parts, ended = list(planned.parts(more)), list[Ran]()
    total = sum(part.count for part in parts)
    for number, part in enumerate(parts, 1):
        print(f"{planned.name}: {progress(ended, total)}: {part}", flush=True)
        ended.append(run_part(part, folder / f"{number:02}"))
        if ended[-1].status > 128:
            sys.exit(ended[-1].status)
    tracking = [setting for setting in shlex.split(more) if setting.startswith("tracking")]
    comparison = Part("compare", [f"grid={planned.name}", f"hydra.run.dir={folder}", *tracking])
    ended.append(Ran(comparison, run(comparison.runner, *comparison.overrides)))
    jobs = [job for one in ended for job in one.jobs]
    print(f"{planned.name}: {grids.summary(jobs)}")
    if unlogged := grids.not_logged(jobs, folder, tracking):
        print(unlogged, file=sys.stderr)
    for one in ended:
        for failure in one.failures:
            print(f"failed: {one.part}: {failure}", file=sys.stderr)
    if statuses := {one.status for one in ended} - {0}:
        sys.exit(2 if statuses == {2} else 1)


def progress(ended: Sequence[Ran], total: int) -> str:
    """As `12 of 290 jobs, about 40 min left`, from the parts in which jobs were not skipped."""
    done = sum(len(one.jobs) for one in ended)
    ran = [sum(job["state"] != grids.BEFORE for job in one.jobs) for one in ended]
    seconds = sum(one.seconds for one, jobs in zip(ended, ran, strict=True) if jobs)
    left = f", about {seconds / sum(ran) * (total - done) / 60:.0f} min left" if any(ran) else ""
    return f"{done} of {total} jobs{left}"


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(study, "study", tensorflow=False)


if __name__ == "__main__":
    main()
