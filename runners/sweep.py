"""Prune a BadNet step by step, measure every step, and choose one for each budget.

python -m runners.sweep strategy=channel_activation data=gtsrb attack=patch
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from fineprune.config import command_line, grids

if TYPE_CHECKING:
    from fineprune.config.setup import Experiment
    from fineprune.report.records import Record
    from fineprune.sweeping.plan import Plan
    from fineprune.sweeping.run import Sweep


def sweep(settings: DictConfig, folder: Path) -> grids.Ended:
    """Load, plan, measure, report, log; in a grid, only the runs that have not finished before."""
    from fineprune.config import setup
    from fineprune.errors import NotApplicable, plain
    from fineprune.report import headline, records, run_folder
    from fineprune.report.terminal import console

    in_grid = grids.Grid.current() is not None
    parts = setup.build(settings)
    record = setup.record(settings, parts)
    if in_grid and parts.tracking.has_finished(record):
        return grids.Ended(grids.BEFORE, "finished before, skipped")
    try:
        planned = planned_by(settings, parts)
    except NotApplicable as reason:
        records.withdraw(folder)
        files = [setup.save_settings(settings, folder)]
        records.write(records.not_applicable(record, str(reason), files), folder)
        ended = grids.Ended(grids.INAPPLICABLE, f"not applicable: {plain(reason)}")
        if not in_grid:
            print(ended.headline)
        return replace(ended, logged=command_line.publish(parts.tracking, folder))
    result = measure(planned, settings, parts, record, folder)
    ended = grids.Ended(headline=headline.text(result), doubts=planned.doubts)
    if settings.quiet and not in_grid:
        print(plain(f"{record.name}: {ended.headline}, {folder}"))
    elif not in_grid:
        run_folder.show(result, terminal := console())
        terminal.print(f"table, plot and pruned nets: {folder}", soft_wrap=True)
        terminal.print(f"plot: {folder / 'curve.png'}", soft_wrap=True)
    return replace(ended, logged=command_line.publish(parts.tracking, folder))


def planned_by(settings: DictConfig, parts: Experiment) -> Plan:
    """The plan of the sweep. Raises NotApplicable where the network lacks what a method needs."""
    from fineprune.sweeping.plan import plan

    return plan(
        parts.badnet, parts.strategy, parts.finetuning, settings.budgets, parts.held_out, settings.seed, parts.stages
    )


def measure(
    planned: Plan,
    settings: DictConfig,
    parts: Experiment,
    record: Record,
    folder: Path,
    tags: Callable[[Sweep], Mapping[str, str]] = lambda _: {},
) -> Sweep:
    """Run the sweep, and write all that is to be logged of it, with the `tags` that it is given, too."""
    from fineprune.config import setup
    from fineprune.progress import stage
    from fineprune.report import records, run_folder
    from fineprune.sweeping.run import run

    record = run_folder.with_datasets(record, planned)
    with parts.tracking.run(record):
        result = run(planned)
        record = replace(record, tags={**record.tags, **tags(result)})
        records.withdraw(folder)
        with stage("writing tables, pictures and nets"):
            files = [setup.save_settings(settings, folder), *run_folder.write(result, folder, parts.title, parts.tags)]
            records.write(run_folder.with_results(record, result, files), folder)
    return result


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(sweep, "sweep", badnets_first=True)


if __name__ == "__main__":
    main()
