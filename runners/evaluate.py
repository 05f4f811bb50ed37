"""Measure a BadNet, one pruned net and their GoodNet on clean and poisoned images, or a repaired network alone.

    python -m runners.evaluate badnet=h5 badnet.model=bd_net.h5 pruned=pruned_2_percent.h5 \
        data=h5 data.clean_test=test.h5 data.poisoned.sunglasses=bd_test.h5
    python -m runners.evaluate goodnet=repaired.h5 \
        data=h5 data.clean_test=test.h5 data.poisoned.sunglasses=bd_test.h5
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from fineprune.config import command_line

if TYPE_CHECKING:
    import pandas as pd

    from fineprune.sweeping.single_net import Rates


def evaluate(settings: DictConfig, folder: Path) -> None:
    """Load, measure, print the table, write `evaluation.json`."""
    from fineprune.config import setup
    from fineprune.errors import ConfigError
    from fineprune.files import csv, write_json, write_text
    from fineprune.report import tables
    from fineprune.report.terminal import console

    if (settings.pruned is None) == (settings.goodnet is None):  # first, before anything is trained
        both = "both" if settings.pruned else "neither"
        raise ConfigError(f"expected either pruned=FILE or goodnet=FILE, got {both}: set one of them")
    rates, layers, assumed = _of_goodnet(settings) if settings.goodnet else _of_pruned(settings)
    setup.save_settings(settings, folder)
    write_json(folder / "evaluation.json", rates)
    terminal = console()
    terminal.print(tables.nets_table(rates))
    if layers is not None:
        write_text(folder / "layers.csv", csv(layers))
        for table in tables.layer_tables(layers):
            terminal.print(table)
    if assumed:
        terminal.print(assumed)
    terminal.print(f"the same as JSON: {folder / 'evaluation.json'}", soft_wrap=True)


def _of_goodnet(settings: DictConfig) -> tuple[Rates, None, str]:
    """The rates of the repaired network, and what is assumed of it."""
    from fineprune.config import setup
    from fineprune.sweeping import repaired

    network = repaired.Repaired.read(str(settings.goodnet))  # before poisoned images are made
    return repaired.rates(network, setup.obtain_images(settings)), None, network.assumed


def _of_pruned(settings: DictConfig) -> tuple[Rates, pd.DataFrame, str]:
    """The rates of BadNet, pruned net and GoodNet, and what the layers of the first two are."""
    from fineprune.config import setup
    from fineprune.sweeping import layer_table, single_net

    badnet = setup.obtain_badnet(settings)
    net = single_net.read_pruned(str(settings.pruned), settings.architecture.name, badnet)
    return single_net.rates(badnet, net), layer_table.layers({"badnet": badnet.network.model, "pruned": net}), ""


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(evaluate, "evaluate")


if __name__ == "__main__":
    main()
