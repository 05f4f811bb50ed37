"""List the BadNets that were trained here, averaged over seeds: clean accuracy and ASR of each attack.

python -m runners.badnets cache=models
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune.config import command_line


def badnets(settings: DictConfig, folder: Path) -> None:
    """Read the cards, average, print, write `badnets.csv` and `badnets.md`."""
    from fineprune.badnets import cards
    from fineprune.files import csv, write_text
    from fineprune.report import tables
    from fineprune.report.terminal import console

    each = cards.read(Path(settings.cache))
    averages = cards.averages(each)
    write_text(folder / "badnets.csv", csv(each))
    write_text(folder / "badnets.md", cards.markdown(averages))
    terminal = console()
    for table in tables.badnet_tables(averages):
        terminal.print(table)
    terminal.print(f"each network: {folder / 'badnets.csv'}", soft_wrap=True)


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(badnets, "badnets")


if __name__ == "__main__":
    main()
