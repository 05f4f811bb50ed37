"""Put the finished runs of an MLflow experiment side by side: who removes the backdoor, at what price, how sure.

python -m runners.compare tracking.experiment=fineprune
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune import cli


def compare(settings: DictConfig, folder: Path) -> None:
    """Read the runs back, compare, write tables, pictures and `report.html`, print the answer."""
    from rich.console import Console

    from fineprune.comparison import Comparison, terminal, writing
    from fineprune.targets import instantiate
    from fineprune.tracking import Tracking

    tracking = instantiate(settings.tracking, Tracking)
    grid, wanted = str(settings.grid or ""), str(settings.filter or "")
    runs = tracking.finished(grid, wanted)
    which = [f"experiment {tracking.experiment}", f"grid {grid}" if grid else "", wanted]
    found = Comparison(runs, ", ".join(part for part in which if part))
    page = writing.write(found, folder)
    console = Console()
    terminal.show(found.answers, console)
    console.print(f"tables and pictures: {folder}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"report: {page}", soft_wrap=True, markup=False, highlight=False)


if __name__ == "__main__":
    cli.run(compare, "compare", tensorflow=False)
