"""Rates as a table on the terminal, in percent."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from rich import box
from rich.table import Table

CLEAN = {"accuracy": "clean", "false_positive_rate": "false pos"}
ATTACK = {"asr": "ASR", "detection_rate": "found", "robust_accuracy": "robust", "der": "DER"}


def rates_table(*headings: str) -> Table:
    """An empty table: texts under `headings`, then clean rates, then those of one attack a line."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption="percent; clean: accuracy on clean_test; found, false pos: taken for backdoored",
        caption_justify="right",
    )
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for heading in CLEAN.values():
        table.add_column(heading, justify="right")
    table.add_column("attack")
    for heading in ATTACK.values():
        table.add_column(heading, justify="right")
    return table


def add(table: Table, texts: tuple[str, ...], rates: Mapping[str, Mapping[str, float]]) -> None:
    """Add one net: `rates` are those of a clean split, if any, and of each attack, by the split's name."""
    clean = next((measured for measured in rates.values() if "accuracy" in measured), {})
    attacks = [(name, measured) for name, measured in rates.items() if "asr" in measured] or [("", {})]
    for line, (name, measured) in enumerate(attacks):
        first = line == 0
        table.add_row(
            *(texts if first else [""] * len(texts)),
            *(_percent(clean, rate) if first else "" for rate in CLEAN),
            name,
            *(_percent(measured, rate) for rate in ATTACK),
        )


def anatomy_table(parts: pd.DataFrame) -> Table:
    """The share of zeros in each layer's kernel, net by net, and what the whole net weighs when compressed."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption="zero weights, percent of the kernel",
        caption_justify="right",
    )
    nets = list(parts["net"].unique())
    for heading in ("layer", "parameters", *nets):
        table.add_column(heading.replace("_", " "), justify="left" if heading == "layer" else "right")
    for layer, rows in parts.groupby("layer", sort=False):
        table.add_row(
            str(layer), str(rows["parameters"].iloc[0]), *(f"{100 * share:.1f}" for share in rows["kernel_share_zero"])
        )
    sizes = parts.loc[parts["layer"] == "all", "gzip_bytes"]
    table.add_row("gzipped, kB", "", *(f"{size / 1000:.0f}" for size in sizes))
    return table


def _percent(rates: Mapping[str, float], rate: str) -> str:
    return f"{100 * rates[rate]:.2f}" if rate in rates else ""
