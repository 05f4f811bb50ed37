"""Prune a BadNet step by step, measure every step, and choose one for each budget.

python -m runners.sweep strategy=channel_activation data=gtsrb attack=patch
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune import cli


def sweep(settings: DictConfig, folder: Path) -> None:
    """Load, plan, measure, report, log."""
    from rich.console import Console

    from fineprune import experiment, report
    from fineprune import sweep as sweeps

    console = Console()
    parts = experiment.build(settings)
    planned = sweeps.plan(
        parts.badnet, parts.strategy, parts.finetuning, settings.budgets, parts.held_out, settings.seed
    )
    with parts.tracking.run(parts.title) as log:
        log.start(experiment.flat(settings), parts.tags, planned.data.splits)
        found = sweeps.run(planned)
        files = [experiment.save_settings(settings, folder), *report.write(found, folder, parts.title, parts.tags)]
        log.finish(found.full_table, report.results(found), report.budget_tags(found), files)
    report.show(found, console)
    console.print(f"table, plot and pruned nets: {folder}", soft_wrap=True)
    console.print(f"plot: {folder / 'curve.png'}", soft_wrap=True)


if __name__ == "__main__":
    cli.run(sweep, "sweep")
