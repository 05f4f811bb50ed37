"""Train a BadNet, or take it from the cache, and show its rates after each epoch, its triggers, its card.

python -m runners.train_badnet -m attack=sunglasses,patch seed=0,1,2
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from fineprune.config import command_line, grids


def train_badnet(settings: DictConfig, folder: Path) -> grids.Ended:
    """Train, print, write `card.json`, `triggers.png` and `triggers.pdf`."""
    from fineprune.config import setup
    from fineprune.errors import ConfigError
    from fineprune.files import write_json
    from fineprune.report import pictures, tables
    from fineprune.report.curve import save_figure
    from fineprune.report.terminal import console

    badnet = setup.obtain_badnet(settings)
    if not badnet.card:
        raise ConfigError("expected badnet=trained, got a network from a file: set badnet=trained")
    setup.save_settings(settings, folder)
    write_json(folder / "card.json", badnet.card)
    if badnet.card["asr"]:
        save_figure(pictures.triggers(badnet.data), folder / "triggers")
    if grids.Grid.current() is None:
        terminal = console()
        terminal.print(tables.epochs_table(badnet.card))
        terminal.print(f"network: {Path(settings.badnet.cache) / badnet.card['network']}", soft_wrap=True)
        if badnet.card["asr"]:
            terminal.print(f"triggers: {folder / 'triggers.png'}", soft_wrap=True)
    return grids.Ended(headline=_headline(badnet.card))


def _headline(card: Mapping[str, Any]) -> str:
    asrs = card["asr"].values()
    words = {"clean": card["clean_accuracy"]} | ({"ASR" if len(asrs) == 1 else "lowest ASR": min(asrs)} if asrs else {})
    return ", ".join(f"{word} {100 * rate:.2f}" for word, rate in words.items())


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(train_badnet, "train_badnet")


if __name__ == "__main__":
    main()
