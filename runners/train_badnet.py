"""Train a BadNet, or find it trained, and show what it is: its rates after each epoch, its triggers, its card.

python -m runners.train_badnet -m attack=sunglasses,patch seed=0,1,2
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune import cli


def train_badnet(settings: DictConfig, folder: Path) -> None:
    """Train, print, write `card.json` and `triggers.png`."""
    from rich.console import Console

    from fineprune import experiment, pictures, plots, tables
    from fineprune.errors import ConfigError
    from fineprune.files import write_json

    badnet = experiment.obtain_badnet(settings)
    if not badnet.card:
        raise ConfigError("expected badnet=trained, got a network from a file: set badnet=trained")
    experiment.save_settings(settings, folder)
    write_json(folder / "card.json", badnet.card)
    console = Console()
    console.print(tables.epochs_table(badnet.card))
    console.print(f"network: {Path(settings.badnet.cache) / badnet.card['network']}", soft_wrap=True)
    if badnet.card["asr"]:
        plots.save_figure(pictures.triggers(badnet.data), folder / "triggers.png")
        console.print(f"triggers: {folder / 'triggers.png'}", soft_wrap=True)


if __name__ == "__main__":
    cli.run(train_badnet, "train_badnet")
