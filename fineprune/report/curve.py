"""The plots of a sweep: clean accuracy and ASR as pruning goes on, and the zeros in each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fineprune.data.split import CLEAN_TEST, CLEAN_VALID
from fineprune.files import written_aside
from fineprune.names import ACCURACY, ASR, FRACTION_PRUNED, GOODNET, PRUNED, Rate, rates
from fineprune.report.palette import REST, Look, look
from fineprune.sweeping import budgets
from fineprune.sweeping.run import Sweep

WIDTH = 6.0  # inches: on a phone, which shows it 10 cm wide, a letter of 10 points is still read
SMALL = 9  # points: the smallest letters
LONGEST = 16  # letters of a layer's name below its bars
ABREAST = 60  # letters that fit side by side below the bars
SCREEN = ("png",)
PRINT = ("png", "pdf")
WRITING: dict[str, dict[str, Any]] = {
    "png": {"pil_kwargs": {"compress_level": 1}},  # a tenth larger, in half the time
    "pdf": {"metadata": {"CreationDate": None}},
}
FILE_STYLE: dict[Any, Any] = {"savefig.dpi": 150, "pdf.fonttype": 42}  # text in a PDF stays text


def save_figure(figure: Figure, path: Path, formats: Sequence[str] = PRINT) -> list[Path]:
    """Write `figure` to `path`, whose suffix each of `formats` is, whole or not at all; the same bytes each time."""
    files = [path.with_suffix(f".{suffix}") for suffix in formats]
    for file in files:
        with written_aside(file) as aside, matplotlib.rc_context(FILE_STYLE):
            figure.savefig(aside, format=file.suffix[1:], **WRITING[file.suffix[1:]])
        figure.set_layout_engine("none")  # to lay it out costs as much as to draw it, and once is enough
    return files


def curve(sweep: Sweep, title: str) -> Figure:
    """Clean accuracy and ASR of B′ (dashed) and of the GoodNet (solid) against how far the strategy goes.

    Budgets are marked; marks beside the lines are the fine-tuned nets there, hollow for B′, full for the GoodNet.
    """
    amount = sweep.plan.steps[0].amount_name
    table = sweep.table[sweep.table[amount].notna()]
    figure = Figure(figsize=(WIDTH, 4), layout="constrained")
    axes = figure.add_subplot(xlabel=amount.replace("_", " "), ylim=(-0.02, 1.04))
    if amount == FRACTION_PRUNED:
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
    for (label, rate), shown in _lines(table).items():
        for net, name, stroke in ((PRUNED, "B′", "--"), (GOODNET, "GoodNet", "-")):
            if (key := str(replace(rate, net=net))) in table:
                _line(axes, table[amount], table[key], shown, ls=stroke, label=f"{label}, {name}")
                dots = [point for point in sweep.points if point in sweep.tuned]
                axes.plot(
                    [sweep.table[amount].iloc[sweep.points[point]] for point in dots],
                    [sweep.tuned_at(point)[key] for point in dots],
                    ls="",
                    marker=shown.marker,
                    ms=9,
                    color=shown.colour,
                    mfc="white" if net == PRUNED else shown.colour,
                    label=f"{label}, {name}, fine-tuned" if dots else None,
                )
    rows = mark_points(figure, axes, point_texts(sweep, sweep.table[amount]))
    axes.set_title(title, fontsize=10.5, pad=6 + ROW * rows)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.spines[["top", "right"]].set_visible(False)
    _legend_below(figure, axes)
    return figure


def _line(axes: Axes, x: pd.Series[float], y: pd.Series[float], shown: Look, **line: Any) -> None:
    every = (0.0, 0.12)  # of the diagonal: a mark at each of many steps would hide the line
    axes.plot(x, y, color=shown.colour, marker=shown.marker, markevery=every, ms=4.5, lw=1.8, **line)


def _legend_below(figure: Figure, axes: Axes) -> None:
    """Name what is drawn below the plot, in two columns where they fit; the figure grows by their height."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 2 if max(map(len, labels)) < 38 else 1
    figure.set_figheight(figure.get_figheight() + 0.2 * -(-len(labels) // columns))
    figure.legend(
        handles, labels, loc="outside lower left", frameon=False, fontsize=SMALL, ncols=columns, handlelength=3
    )


def layer_bars(layers: pd.DataFrame) -> Figure:
    """The share of zero weights in each layer's kernel, a bar for each net."""
    shares = layers[layers["layer"] != "all"].pivot_table("kernel_share_zero", "layer", "net", sort=False)
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    axes = figure.add_subplot(ylim=(0, 1))
    axes.set_title("share of each kernel that is zero, or of channels silenced", fontsize=10.5)
    colours: Any = [look(number).colour for number in range(shares.shape[1])]
    shares.index = shares.index.map(_short)
    rotation = 0 if sum(map(len, shares.index)) < ABREAST and len(shares) < 8 else 90
    shares.plot.bar(ax=axes, rot=rotation, xlabel="", width=0.8, color=colours, legend=False)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.spines[["top", "right"]].set_visible(False)
    _legend_below(figure, axes)
    return figure


def _short(name: str) -> str:
    """`name`, or its two ends where all of it would leave no room for the bars; layers differ at the end."""
    return name if len(name) <= LONGEST else f"{name[:5]}…{name[-(LONGEST - 5) :]}"


def _lines(table: pd.DataFrame) -> dict[tuple[str, Rate], Look]:
    """The look of each line, by its label and its rate, which is that of B′."""
    measured = [rate for rate in rates(table.columns).values() if rate.net == PRUNED]
    clean = {rate.split: rate for rate in measured if rate.rate == ACCURACY}
    attacks = [rate for rate in measured if rate.rate == ASR]
    lines = [("clean accuracy", clean.get(CLEAN_TEST, clean[CLEAN_VALID]))]
    lines += [(f"ASR {rate.split}", rate) for rate in attacks]
    return {line: look(number) for number, line in enumerate(lines)}


def point_texts(sweep: Sweep, places: pd.Series[float]) -> dict[float, str]:
    """What to write at each of `places`, (1 + steps,), at which there is a budget, or several: `4 %, 10 % (never)`."""
    here: dict[float, list[str]] = {}
    for point, row in sweep.points.items():
        never = sweep.chosen.get(point, row) is None
        here.setdefault(float(places.iloc[row]), []).append(f"{budgets.text(point)}{' (never)' if never else ''}")
    return {place: ", ".join(texts) for place, texts in here.items()}


ROW = 12  # points from one row of labels to the next


def mark_points(figure: Figure, axes: Axes, texts: Mapping[float, str]) -> int:
    """Mark places on the x axis by a dotted line with a text above the frame; returns how many rows of texts there are.

    A text stands to the right of its line, or to the left where the frame ends; a row higher where it would be printed
    over another.
    """
    low, high = axes.get_xlim()
    length = 0.8 * 72 * figure.get_figwidth()
    placed: list[tuple[float, float, int]] = []
    for place in sorted(texts, reverse=True):
        at, width = length * (place - low) / (high - low), 0.62 * SMALL * len(texts[place])
        ends = at + width > length
        start, end = (at - width, at) if ends else (at, at + width)
        row = 1 + max((row for left, right, row in placed if left < end and start < right), default=-1)
        placed.append((start, end, row))
        line: dict[str, Any] = {"color": REST, "lw": 0.9, "ls": ":"}
        axes.axvline(place, **line)
        axes.annotate(
            texts[place],
            (place, 1),
            (-2 if ends else 2, 3 + ROW * row),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha="right" if ends else "left",
            fontsize=SMALL,
            arrowprops={"arrowstyle": "-", "relpos": (int(ends), 0), "shrinkA": 0, "shrinkB": 0, **line},
        )
    return 1 + max((row for *_, row in placed), default=-1)
