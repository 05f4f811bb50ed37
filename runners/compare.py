"""Put the finished runs of an MLflow experiment side by side, averaged over seeds.

python -m runners.compare tracking.experiment=fineprune
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune import cli


def compare(settings: DictConfig, folder: Path) -> None:
    """Read the runs back, average, print, write `comparison.csv` and `comparison.md`."""
    from rich.console import Console

    from fineprune import comparison
    from fineprune.files import write_text
    from fineprune.targets import instantiate
    from fineprune.tracking import Tracking

    tidy = comparison.tidy(instantiate(settings.tracking, Tracking).finished())
    averages = comparison.averages(tidy)
    write_text(folder / "comparison.csv", tidy.to_csv(index=False))
    write_text(folder / "comparison.md", comparison.markdown(averages))
    console = Console()
    console.print(comparison.markdown(averages), soft_wrap=True, highlight=False)
    console.print(f"each run: {folder / 'comparison.csv'}", soft_wrap=True)


if __name__ == "__main__":
    cli.run(compare, "compare")
