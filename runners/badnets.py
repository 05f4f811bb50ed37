"""List the BadNets that were trained here, averaged over seeds: clean accuracy and ASR of each attack.

python -m runners.badnets cache=models
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune import cli


def badnets(settings: DictConfig, folder: Path) -> None:
    """Read the cards, average, print, write `badnets.csv` and `badnets.md`."""
    from rich.console import Console

    from fineprune import cards
    from fineprune.files import write_text

    each = cards.read(Path(settings.cache))
    table = cards.markdown(cards.averages(each))
    write_text(folder / "badnets.csv", each.to_csv(index=False))
    write_text(folder / "badnets.md", table)
    console = Console()
    console.print(table, soft_wrap=True, highlight=False)
    console.print(f"each network: {folder / 'badnets.csv'}", soft_wrap=True)


if __name__ == "__main__":
    cli.run(badnets, "badnets")
