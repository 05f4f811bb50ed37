"""Rates as a table on the terminal, in percent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table

from fineprune import budgets

CLEAN = {"accuracy": "clean", "false_positive_rate": "false pos"}
ATTACK = {"asr": "ASR", "detection_rate": "found", "robust_accuracy": "RA", "der": "DER"}


def rates_table(*headings: str) -> Table:
    """An empty table: texts under `headings`, then clean rates, then those of one attack a line."""
    table = _table("percent; clean: accuracy on clean_test; found, false pos: taken for backdoored")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for heading in CLEAN.values():
        table.add_column(heading, justify="right")
    table.add_column("attack", no_wrap=True)
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


def epochs_table(card: Mapping[str, Any]) -> Table:
    """What a BadNet's training went through: its clean accuracy and the ASR of each trigger after each epoch."""
    table = _table("percent")
    for heading in ("epoch", "clean", *(f"ASR {trigger}" for trigger in card["asr"])):
        table.add_column(heading, justify="right")
    for epoch, rates in enumerate(card["epochs"], start=1):
        table.add_row(str(epoch), *(f"{100 * rate:.2f}" for rate in rates.values()))
    if card["attack"].get("pruning_aware"):
        final = (card["clean_accuracy"], *card["asr"].values())
        table.add_row("put back", *(f"{100 * rate:.2f}" for rate in final))
    return table


def anatomy_table(parts: pd.DataFrame) -> Table:
    """The share of zeros in each net's kernels, layer by layer, and what the whole net weighs when compressed."""
    table = _table("zero weights, percent of the kernel; kB when gzipped")
    table.add_column("net")
    layers = list(parts["layer"].unique())
    for heading in (*layers, "kB"):
        table.add_column(heading, justify="right")
    for net, rows in parts.groupby("net", sort=False):
        shares = (f"{100 * share:.1f}" for share in rows["kernel_share_zero"])
        table.add_row(budgets.text(str(net)).replace("_", " "), *shares, f"{rows['gzip_bytes'].max() / 1000:.0f}")
    return table


def _table(caption: str) -> Table:
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, caption=caption, caption_justify="right")


def _percent(rates: Mapping[str, float], rate: str) -> str:
    return f"{100 * rates[rate]:.2f}" if rate in rates else ""
