"""Sweep every method on every network that a study lists, and compare them; what has finished is not run again.

python -m runners.study study=short
"""

from __future__ import annotations

import math
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from pydantic import Field

from fineprune.checks import Names, checked
from fineprune.config import command_line, grids

Name = Annotated[str, Field(pattern=r"^[\w.-]+$", description="a name of letters, digits, -, _ and .")]
Block = Annotated[Mapping[Literal["networks", "methods"], Names], Field(min_length=2)]
Blocks = Annotated[Mapping[str, Block], Field(description="blocks of networks and methods, lists of lines of settings")]


@dataclass(frozen=True)
class Part:
    """A grid of a study: a runner, and the overrides that all combinations of are its jobs."""

    runner: str
    overrides: Sequence[str]

    @property
    def jobs(self) -> int:
        """How many jobs it has."""
        parsed = OverridesParser.create().parse_overrides(list(self.overrides))
        return math.prod(len(list(override.sweep_iterator())) for override in parsed if override.is_sweep_override())

    def run(self, folder: Path) -> int:
        """Run it in a process of its own, with its folders in `folder`; its exit status."""
        return run(self.runner, "-m", *self.overrides, f"hydra.sweep.dir={folder}")


class Study:
    """What a YAML in `conf/study` lists: in each of `blocks`, every method on every network, both lines of settings.

    `always` is a line of settings that all networks share. The networks of a block that are not from files are trained
    before it is swept, so that jobs side by side never wait for the same one. All sweeps are of the grid `name`.
    """

    @checked("study")
    def __init__(self, name: Name, always: str, blocks: Blocks) -> None:
        self.name, self.always, self.blocks = name, always.split(), blocks

    def parts(self, more: Sequence[str] = ()) -> Iterator[Part]:
        """Its grids in their order; every sweep has `more` settings."""
        for block in self.blocks.values():
            networks = [[*self.always, *network.split()] for network in block["networks"]]
            trained = [line for line in networks if not any(setting.startswith("badnet=") for setting in line)]
            yield from (Part("train_badnet", line) for line in trained)
            for network in networks:
                for method in block["methods"]:
                    yield Part("sweep", [f"grid={self.name}", *network, *method.split(), *more])


def run(runner: str, *arguments: str) -> int:
    """`python -m runners.<runner> <arguments>`; its exit status. What stops this process stops that one, too."""
    command = [sys.executable, "-m", f"runners.{runner}", *arguments]
    with subprocess.Popen(command) as process:  # noqa: S603 – no shell reads it
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            raise


@checked("")
def check_more(more: str | None) -> list[str]:
    """The settings in the line `more`; raises ConfigError unless it is text or null."""
    return (more or "").split()


def study(settings: DictConfig, folder: Path) -> None:
    """Run the parts one after the other, then compare; end with the worst of their exit statuses."""
    more, planned = check_more(settings.more), Study(**OmegaConf.to_container(settings.study))  # type: ignore[arg-type]
    parts = list(planned.parts(more))
    total = sum(part.jobs for part in parts)
    statuses: list[int] = []
    jobs: list[dict[str, Any]] = []
    for number, part in enumerate(parts, 1):
        print(f"{planned.name}: {progress(jobs, total)}: {part.runner} {shlex.join(part.overrides)}", flush=True)
        statuses.append(part.run(folder / f"{number:02}"))
        jobs += grids.Grid(folder / f"{number:02}").jobs()
    tracking = [override for override in more if override.startswith("tracking")]
    statuses.append(run("compare", f"grid={planned.name}", f"hydra.run.dir={folder}", *tracking))
    print(f"{planned.name}: {grids.summary(jobs)}")
    for job in jobs:
        if job["state"] == grids.FAILED:
            print(f"failed: {job['title']}: {job['reason']}", file=sys.stderr)
    if any(statuses):
        sys.exit(1 if 1 in statuses else 2)


def progress(jobs: Sequence[Mapping[str, Any]], total: int) -> str:
    """As `12 of 290 jobs, about 40 min left`, from how long those took that were not skipped."""
    ran = [job["ended"] - job["started"] for job in jobs if "ended" in job and job["state"] != grids.BEFORE]
    left = f", about {sum(ran) / len(ran) * (total - len(jobs)) / 60:.0f} min left" if ran else ""
    return f"{len(jobs)} of {total} jobs{left}"


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(study, "study", tensorflow=False)


if __name__ == "__main__":
    main()
