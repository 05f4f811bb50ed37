"""Measure a BadNet, one pruned net and their GoodNet on clean and poisoned images.

    python -m runners.evaluate badnet=h5 badnet.model=bd_net.h5 pruned=pruned_2_percent.h5 \
        data=h5 data.clean_test=test.h5 data.poisoned.sunglasses=bd_test.h5
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune.config import command_line


def evaluate(settings: DictConfig, folder: Path) -> None:
    """Load, measure, print the table, write `evaluation.json`."""
    from fineprune.config import setup
    from fineprune.files import csv, write_json, write_text
    from fineprune.report import tables
    from fineprune.report.terminal import console
    from fineprune.sweeping import layer_table, single_net

    pruned = str(settings.pruned)  # first, so that its absence shows before anything is trained
    badnet = setup.obtain_badnet(settings)
    net = single_net.read_pruned(pruned, settings.architecture.name, badnet)
    rates = single_net.rates(badnet, net)
    layers = layer_table.layers({"badnet": badnet.model, "pruned": net})
    setup.save_settings(settings, folder)
    write_json(folder / "evaluation.json", rates)
    write_text(folder / "layers.csv", csv(layers))
    terminal = console()
    terminal.print(tables.nets_table(rates))
    for table in tables.layer_tables(layers):
        terminal.print(table)
    terminal.print(f"the same as JSON: {folder / 'evaluation.json'}", soft_wrap=True)


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(evaluate, "evaluate")


if __name__ == "__main__":
    main()
