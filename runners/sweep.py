"""Prune a BadNet step by step, measure every step, and choose one for each budget.

python -m runners.sweep strategy=channel_activation data=gtsrb attack=patch
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from fineprune import cli, grids

if TYPE_CHECKING:
    from fineprune.tracking import Tracking


def sweep(settings: DictConfig, folder: Path) -> str:
    """Load, plan, measure, report, log; in a grid, only what has not been done before."""
    from rich.console import Console

    from fineprune import experiment, records, report
    from fineprune import sweep as sweeps
    from fineprune.errors import NotApplicable

    console = Console()
    parts = experiment.build(settings)
    record = experiment.record(settings, parts)
    if grids.Grid.current() and parts.tracking.holds(record):
        console.print(f"finished before, skipped: {record.name}", soft_wrap=True)
        return grids.BEFORE
    try:
        planned = sweeps.plan(
            parts.badnet, parts.strategy, parts.finetuning, settings.budgets, parts.held_out, settings.seed
        )
    except NotApplicable as reason:
        records.withdraw(folder)
        files = [experiment.save_settings(settings, folder)]
        records.write(records.not_applicable(record, str(reason), files), folder)
        console.print(f"not applicable: {reason}", soft_wrap=True)
        _publish(parts.tracking, folder)
        return grids.INAPPLICABLE
    with parts.tracking.run(record):
        found = sweeps.run(planned)
        records.withdraw(folder)
        files = [experiment.save_settings(settings, folder), *report.write(found, folder, parts.title, parts.tags)]
        records.write(report.completed(record, found, files), folder)
    report.show(found, console)
    console.print(f"table, plot and pruned nets: {folder}", soft_wrap=True)
    console.print(f"plot: {folder / 'curve.png'}", soft_wrap=True)
    _publish(parts.tracking, folder)
    return grids.FINISHED


def _publish(tracking: Tracking, folder: Path) -> None:
    """A log that is away does not spoil a sweep: what it found stands in the folder."""
    from fineprune.errors import TrackingError

    try:
        tracking.publish(folder)
    except TrackingError as reason:
        later = f"python -m runners.publish {shlex.quote(str(folder))}"
        print(f"warning: not logged yet, {reason}. The results are whole: later, {later}", file=sys.stderr)


if __name__ == "__main__":
    cli.run(sweep, "sweep")
