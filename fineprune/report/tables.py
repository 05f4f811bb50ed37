"""Rates as a table on the terminal, in percent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import isnan
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.table import Column, Table
from rich.text import Text

from fineprune import names
from fineprune.badnets import cards
from fineprune.data.split import CLEAN_TEST, CLEAN_VALID
from fineprune.errors import plain
from fineprune.names import PRUNED, TUNED
from fineprune.network.step import Cap, Edit, Factors, Mask, Replace, Scale, Silence, Step
from fineprune.sweeping import budgets
from fineprune.sweeping.outcomes import Outcome
from fineprune.sweeping.single_net import NETS, Rates

CLEAN = {names.ACCURACY: "clean", names.FALSE_POSITIVE_RATE: "false pos"}
ABOUT = ["data", "trained on", "architecture", "epochs"]  # of a table of BadNets
ABREAST = 9  # nets whose columns fit 80 characters beside the name of a layer
GIVEN = "*"  # what sees poisoned images
ATTACK = {names.ASR: "ASR", names.DETECTION_RATE: "found", names.ROBUST_ACCURACY: "RA", names.DER: "DER"}

EDITS = {"channels of": Silence, "channels’ γ in": Scale, "caps on": Cap, "weights of": Mask | Replace}


def rates_table(*headings: str) -> Table:
    """An empty table: texts under `headings`, then clean rates, then those of one attack a line. `finished` ends it."""
    table = _table("")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for heading in CLEAN.values():
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("attack", overflow="fold")
    for heading in ATTACK.values():
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def add(table: Table, texts: tuple[str, ...], rates: Mapping[str, Mapping[str, float]]) -> None:
    """Add one net: `rates` are those of a clean split, if any, and of each attack, by the split's name."""
    clean = rates.get(clean_split(rates), {})
    attacks = [(name, measured) for name, measured in rates.items() if names.ASR in measured] or [("", {})]
    for line, (name, measured) in enumerate(attacks):
        first = line == 0
        table.add_row(
            *(texts if first else [""] * len(texts)),
            *(_percent(clean, rate) if first else "" for rate in CLEAN),
            name,
            *(_percent(measured, rate) for rate in ATTACK),
        )


def edited(step: Step) -> str:
    """What `step` changes, as `channels of conv_4`, or `weights of 18 layers, conv_1 to output`."""
    parts = []
    for what, kind in EDITS.items():
        if layers := list(
            dict.fromkeys(edit.layer for edit in step.edits if isinstance(edit, kind) and _changes(edit))
        ):
            parts.append(f"{what} {in_short(layers)}")
    return "; ".join(parts) or "nothing"


def in_short(layers: Sequence[str]) -> str:
    """Their names or, of many, their number, the first and the last."""
    return ", ".join(layers) if len(layers) < 4 else f"{len(layers)} layers, {layers[0]} to {layers[-1]}"


def _changes(edit: Edit) -> bool:
    """Whether `edit` does anything: strategies name all layers that they rank."""
    match edit:
        case Factors():
            return bool((edit.factors != 1).any())
        case Cap():
            return bool(np.isfinite(edit.caps).any())
    return True


def clean_split(splits: Collection[str]) -> str:
    """The split whose accuracy stands under `clean`."""
    return CLEAN_TEST if CLEAN_TEST in splits else CLEAN_VALID


def finished(table: Table, splits: Collection[str]) -> Table:
    """A table of the rates on `splits`, without the columns that hold nothing.

    Its caption says what the others are, and then what it said before.
    """
    columns = [column for column in table.columns if any(column.cells)]
    headings = [str(column.header) for column in columns]
    rejected = [
        heading for heading in (ATTACK[names.DETECTION_RATE], CLEAN[names.FALSE_POSITIVE_RATE]) if heading in headings
    ]
    parts = ["percent"]
    parts += [f"clean: accuracy on {clean_split(splits)}"] if CLEAN[names.ACCURACY] in headings else []
    parts += [f"{', '.join(rejected)}: taken for backdoored"] if rejected else []
    result = _table("; ".join(parts) + str(table.caption), *columns)
    result.rows = table.rows
    return result


def epochs_table(card: Mapping[str, Any]) -> Table:
    """A BadNet's training: its clean accuracy and the ASR of each trigger after each epoch."""
    table = _table("percent")
    for heading in ("epoch", "clean", *(f"ASR {trigger}" for trigger in card["asr"])):
        table.add_column(heading, justify="right")
    for epoch, rates in enumerate(card["epochs"], start=1):
        table.add_row(str(epoch), *(f"{100 * rate:.2f}" for rate in rates.values()))
    if card["attack"].get("pruning_aware"):
        final = (card["clean_accuracy"], *card["asr"].values())
        table.add_row("put back", *(f"{100 * rate:.2f}" for rate in final))
    return table


def nets_table(rates: Rates) -> Table:
    """Nets measured alone, of B, B′ and the GoodNet those that were: a line for each attack."""
    table = rates_table("net")
    for net, title in NETS.items():
        if net in rates:
            add(table, (title,), rates[net])
    return finished(table, next(iter(rates.values())))


def labels_table(labels: pd.DataFrame, most: int) -> Table:
    """The first `most` of `labels`, a row for each image, and at the end how many more there are."""
    table = _table("", Column("image", overflow="fold"), Column("label", justify="right"))
    for image, label in labels.head(most).itertuples(index=False):
        table.add_row(Text(plain(image)), str(label))
    if len(labels) > most:
        table.add_row(f"and {len(labels) - most:,} more", "")
    return table


def aftermath_table(outcomes: Sequence[Outcome]) -> Table:
    """What became of each net: a line for each stage, in blocks of a net, its rates before and after."""
    given = any(outcome.poisoned for outcome in outcomes)
    table = _table(f"percent, before → after{f'; {GIVEN} trains on poisoned images of the attacker' if given else ''}")
    for heading in ("budget", "net", "afterwards"):
        table.add_column(heading, no_wrap=True)
    table.add_column("clean", justify="right", no_wrap=True)
    table.add_column("attack", overflow="fold")
    table.add_column("ASR of B′", justify="right", no_wrap=True)
    last = ("", "")
    for outcome in outcomes:
        place = (budgets.text(outcome.point), "B′" if outcome.net == PRUNED else "tuned B′")
        stage = outcome.stage.replace("_", " ") + (GIVEN if outcome.poisoned else "")
        clean = _change(outcome.accuracy_before, outcome.accuracy_after)
        asr = _change(outcome.asr_before, outcome.asr_after)
        table.add_row(*(("", "") if place == last else place), stage, clean, outcome.trigger, asr)
        last = place
    return table


def _change(before: float, after: float) -> str:
    return "" if isnan(before) else f"{100 * before:.2f} → {100 * after:.2f}"


def layer_tables(layers: pd.DataFrame) -> Iterator[Table]:
    """The share of zeros in each net's kernels, a line for each layer that has any, and each net's compressed size.

    Of a layer that multiplies channels, it is the share of those that it silences. There are several tables where not
    all nets fit a terminal of 80 columns.
    """
    shares = layers.pivot_table("kernel_share_zero", "layer", "net", sort=False)
    shares = shares[shares.any(axis=1) | (shares.index == "all")]
    shares = shares.sort_index(key=lambda names: names == "all", kind="stable")  # which some nets have layers behind
    sizes = layers.groupby("net")["gzip_bytes"].max().to_dict()
    nets = list(layers["net"].unique())
    for start in range(0, len(nets), ABREAST):
        yield _layer_table(shares[nets[start : start + ABREAST]], sizes)


def _layer_table(shares: pd.DataFrame, sizes: Mapping[Any, int]) -> Table:
    table = _table("percent of each kernel that is zero, or of channels silenced; kB gzipped")
    table.add_column("layer", overflow="fold")
    for net in shares:
        heading = budgets.text(str(net).replace(TUNED[PRUNED], "tuned")).replace("_", "\n", 1)
        table.add_column(heading, justify="right", no_wrap=True)
    for layer, row in shares.iterrows():
        table.add_row(Text(plain(layer)), *("" if isnan(share) else f"{100 * share:.1f}" for share in row))
    table.add_row("kB", *(f"{sizes[net] / 1000:.0f}" for net in shares))
    return table


def badnet_tables(averages: pd.DataFrame) -> Iterator[Table]:
    """The averages of `cards`, a table for those of one architecture, trained on one data set for as long."""
    for about, rows in cards.readable(averages).groupby(ABOUT, sort=False):
        table = _table("percent, mean ± standard deviation over seeds")
        data, images, architecture, epochs = map(str, about)
        table.title = Text(", ".join(filter(None, (data, images, architecture, f"{epochs} epochs"))))
        columns = rows.drop(columns=ABOUT)
        for name in map(str, columns):
            long = name in ("attack", "trigger")
            heading = name.replace(" ", "\n")
            table.add_column(heading, justify="left" if long else "right", overflow="fold", no_wrap=not long)
        for row in columns.to_numpy().tolist():
            table.add_row(*map(Text, row))
        yield table


def _table(caption: str, *columns: Column) -> Table:
    # With more padding, ten columns of 100.00 are wider than a terminal.
    return Table(*columns, box=box.SIMPLE_HEAD, padding=0, caption=caption, caption_justify="right")


def _percent(rates: Mapping[str, float], rate: str) -> str:
    return f"{100 * rates[rate]:.2f}" if rate in rates else ""
