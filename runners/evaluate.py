"""Measure a BadNet, one pruned net and their GoodNet on clean and poisoned images.

    python -m runners.evaluate badnet=h5 badnet.model=bd_net.h5 pruned=pruned_2_percent.h5 \
        data=h5 data.clean_test=test.h5 data.poisoned.sunglasses=bd_test.h5
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune import cli


def evaluate(settings: DictConfig, folder: Path) -> None:
    """Load, measure, print the table, write `evaluation.json`."""
    from rich.console import Console

    from fineprune import anatomy, evaluated, experiment, tables
    from fineprune.files import write_json, write_text

    pruned = str(settings.pruned)  # first, so that its absence shows before anything is trained
    badnet = experiment.obtain_badnet(settings)
    net = evaluated.read_pruned(pruned, settings.architecture.name, badnet)
    rates = evaluated.rates(badnet, net)
    parts = anatomy.layers({"badnet": badnet.model, "pruned": net})
    experiment.save_settings(settings, folder)
    write_json(folder / "evaluation.json", rates)
    write_text(folder / "layers.csv", parts.to_csv(index=False))
    console = Console()
    console.print(evaluated.table(rates))
    console.print(tables.anatomy_table(parts))
    console.print(f"the same as JSON: {folder / 'evaluation.json'}", soft_wrap=True)


if __name__ == "__main__":
    cli.run(evaluate, "evaluate")
