"""Prune a BadNet step by step, measure every step, and choose one for each budget.

python -m runners.sweep strategy=channel_activation data=gtsrb attack=patch
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune.config import command_line, grids


def sweep(settings: DictConfig, folder: Path) -> grids.Ended:
    """Load, plan, measure, report, log; in a grid, only the runs that have not finished before."""
    from fineprune.config import setup
    from fineprune.errors import NotApplicable, plain
    from fineprune.progress import stage
    from fineprune.report import headline, records, run_folder
    from fineprune.report.terminal import console
    from fineprune.sweeping.plan import plan
    from fineprune.sweeping.run import run

    in_grid = grids.Grid.current() is not None
    parts = setup.build(settings)
    record = setup.record(settings, parts)
    if in_grid and parts.tracking.has_finished(record):
        return grids.Ended(grids.BEFORE, "finished before, skipped")
    try:
        planned = plan(
            parts.badnet,
            parts.strategy,
            parts.finetuning,
            settings.budgets,
            parts.held_out,
            settings.seed,
            parts.stages,
        )
    except NotApplicable as reason:
        records.withdraw(folder)
        files = [setup.save_settings(settings, folder)]
        records.write(records.not_applicable(record, str(reason), files), folder)
        ended = grids.Ended(grids.INAPPLICABLE, f"not applicable: {plain(reason)}")
        if not in_grid:
            print(ended.headline)
        command_line.publish(parts.tracking, folder)
        return ended
    record = run_folder.with_datasets(record, planned)
    with parts.tracking.run(record):
        result = run(planned)
        records.withdraw(folder)
        with stage("writing tables, pictures and nets"):
            files = [setup.save_settings(settings, folder), *run_folder.write(result, folder, parts.title, parts.tags)]
            records.write(run_folder.with_results(record, result, files), folder)
    ended = grids.Ended(headline=headline.text(result), doubts=planned.doubts)
    if settings.quiet and not in_grid:
        print(plain(f"{record.name}: {ended.headline}, {folder}"))
    elif not in_grid:
        run_folder.show(result, terminal := console())
        terminal.print(f"table, plot and pruned nets: {folder}", soft_wrap=True)
        terminal.print(f"plot: {folder / 'curve.png'}", soft_wrap=True)
    command_line.publish(parts.tracking, folder)
    return ended


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(sweep, "sweep")


if __name__ == "__main__":
    main()
