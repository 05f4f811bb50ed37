"""The picture of a sweep: what is left of clean accuracy and of the attack as pruning goes on."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fineprune import budgets as falls
from fineprune.files import written_aside
from fineprune.metrics import CLEAN_TEST, CLEAN_VALID
from fineprune.sweep import Sweep

CLEAN_COLOUR = "#1b6ca8"
ATTACK_COLOURS = ("#c0392b", "#d98200", "#8e44ad", "#5d4037")


def save_figure(figure: Figure, path: Path) -> None:
    """Write `figure` as a PNG, whole or not at all."""
    with written_aside(path) as aside, matplotlib.rc_context({"savefig.dpi": 150}):
        figure.savefig(aside, format="png")


def curve(sweep: Sweep, title: str) -> Figure:
    """Clean accuracy and ASR of B′ (dashed) and of the GoodNet (solid) against the fraction pruned.

    Budgets are marked; what fine-tuning made of the nets there stands as dots, hollow for B′, full for the GoodNet.
    """
    table = sweep.table
    figure = Figure(figsize=(8.4, 4.6), layout="constrained")
    axes = figure.add_subplot(xlabel="fraction pruned", xlim=(0, 1), ylim=(-0.02, 1.04), title=title)
    for (label, column), colour in _lines(table).items():
        for net, style in (("pruned", "--"), ("goodnet", "-")):
            if (key := column.format(net)) in table:
                name = {"pruned": "B′", "goodnet": "GoodNet"}[net]
                axes.plot(table["fraction_pruned"], table[key], style, color=colour, lw=1.8, label=f"{label}, {name}")
                dots = {
                    table["fraction_pruned"].iloc[row]: sweep.tuned_at(point)[key]
                    for point, row in sweep.points.items()
                    if point in sweep.tuned
                }
                axes.plot(
                    list(dots),
                    list(dots.values()),
                    "o",
                    color=colour,
                    mfc="white" if net == "pruned" else colour,
                    label=f"{label}, {name}, fine-tuned" if dots else None,
                )
    for point, row in sweep.points.items():
        _mark(axes, table["fraction_pruned"].iloc[row], falls.text(point))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=9)
    return figure


def anatomy_bars(parts: pd.DataFrame) -> Figure:
    """The share of zero weights in each layer's kernel, a bar for each net."""
    shares = parts[parts["layer"] != "all"].pivot_table("kernel_share_zero", "layer", "net", sort=False)
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    axes = figure.add_subplot(title="share of each kernel that is zero", ylim=(0, 1))
    shares.plot.bar(ax=axes, rot=0, xlabel="", width=0.8)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _lines(table: pd.DataFrame) -> dict[tuple[str, str], str]:
    clean = CLEAN_TEST if f"{CLEAN_TEST}/pruned_accuracy" in table else CLEAN_VALID
    lines = {("clean accuracy", f"{clean}/{{}}_accuracy"): CLEAN_COLOUR}
    attacks = [column.split("/")[0] for column in map(str, table) if column.endswith("/pruned_asr")]
    for number, attack in enumerate(attacks):
        lines[f"ASR {attack}", f"{attack}/{{}}_asr"] = ATTACK_COLOURS[number % len(ATTACK_COLOURS)]
    return lines


def _mark(axes: Axes, fraction: float, text: str) -> None:
    axes.axvline(fraction, color="#888888", lw=0.9, ls=":")
    axes.annotate(text, (fraction, 0), (2, 4), textcoords="offset points", rotation=90, fontsize=8, color="#555555")
