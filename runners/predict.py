"""Classify images with a GoodNet: each is given a class, by number, or called "backdoored".

python -m runners.predict goodnet=goodnet.h5 images=FOLDER
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune.config import command_line

SHOWN = 20  # images on the terminal


def predict(settings: DictConfig, folder: Path) -> None:
    """Read the images and the nets, write `predictions.csv`, print its first rows and how many are backdoored."""
    import pandas as pd
    from omegaconf import OmegaConf

    from fineprune.config import setup
    from fineprune.data.unlabelled import unlabelled
    from fineprune.files import csv, write_text
    from fineprune.report import tables
    from fineprune.report.terminal import console

    how = OmegaConf.to_container(settings.data, resolve=True)
    names, split, others = unlabelled(str(settings.images), **how)  # type: ignore[arg-type]
    net = setup.obtain_repaired(settings, split)
    net.check_shape(split, "data")
    labels = pd.Series(net.labels(split)).astype(str).replace(str(net.backdoored), "backdoored")
    table = pd.DataFrame({"image": names, "label": labels})
    setup.save_settings(settings, folder)
    write_text(folder / "predictions.csv", csv(table))
    terminal = console()
    terminal.print(tables.labels_table(table, SHOWN))
    if net.assumed:
        terminal.print(net.assumed)
    terminal.print(f"{(labels == 'backdoored').sum():,} of {len(labels):,} backdoored")
    if others:
        terminal.print(others, soft_wrap=True)
    terminal.print(f"all as CSV: {folder / 'predictions.csv'}", soft_wrap=True)


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(predict, "predict")


if __name__ == "__main__":
    main()
