"""List the BadNets that were trained here, averaged over seeds: clean accuracy and ASR of each attack.

python -m runners.badnets cache=models
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune.config import command_line


def badnets(settings: DictConfig, folder: Path) -> None:
    """Read the cards, average, print, write `badnets.csv` and `badnets.md`."""
    from rich.console import Console

    from fineprune.badnets import cards
    from fineprune.files import write_text
    from fineprune.report import tables

    each = cards.read(Path(settings.cache))
    averages = cards.averages(each)
    write_text(folder / "badnets.csv", each.to_csv(index=False))
    write_text(folder / "badnets.md", cards.markdown(averages))
    console = Console()
    for table in tables.badnet_tables(averages):
        console.print(table)
    console.print(f"each network: {folder / 'badnets.csv'}", soft_wrap=True)


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(badnets, "badnets")


if __name__ == "__main__":
    main()
