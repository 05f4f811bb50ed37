"""Compare the finished runs of an MLflow experiment: which strategy removes the backdoor, at what price, how sure.

python -m runners.compare tracking.experiment=fineprune
"""

from __future__ import annotations

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from fineprune.config import command_line
from fineprune.config.choices import command


def compare(settings: DictConfig, folder: Path) -> None:
    """Read the runs back, compare, write tables, pictures and `report.html`, print the answer, log it."""
    from fineprune.comparison import Bar, Comparison
    from fineprune.comparison.output import log_record, result_files, terminal
    from fineprune.config.instantiate import flat, instantiate
    from fineprune.progress import stage
    from fineprune.report import records
    from fineprune.report.terminal import console
    from fineprune.tracking import Tracking

    started = records.now()
    tracking = instantiate(settings.tracking, Tracking)
    grid, filter_string = str(settings.grid or ""), str(settings.filter or "")
    with stage("reading the runs"):
        runs = tracking.finished(grid, filter_string)
    which = [f"experiment {tracking.experiment}", f"grid {grid}" if grid else "", filter_string]
    entered = command("compare", *HydraConfig.get().overrides.task)
    bar = instantiate(settings.removed, Bar)
    with stage("comparing, and drawing the pictures"):
        comparison = Comparison(runs, ", ".join(part for part in which if part), bar, entered)
        records.withdraw(folder)
        files = result_files.write(comparison, folder)
    screen = console()
    terminal.show(comparison, screen)
    screen.print(f"tables and pictures: {folder}", soft_wrap=True)
    screen.print(f"report: {files[-1]}", soft_wrap=True)
    records.write(log_record.record(comparison, started, flat(settings), tracking.context(), files), folder)
    command_line.publish(tracking, folder)


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(compare, "compare", tensorflow=False)


if __name__ == "__main__":
    main()
