"""Clean accuracy against ASR, curves against the fraction pruned, and critical differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fineprune import budgets
from fineprune.comparison.areas import mean_asr
from fineprune.comparison.plots import REST, WIDTH, filling, label, legend, panels
from fineprune.comparison.statistics import Tests
from fineprune.logged import Finished

MARKERS = ("o", "^", "s", "D", "v", "P", "X")
RATES = ("accuracy", "asr")
FRACTIONS = np.linspace(0, 1, 201)


def pareto(accuracy: pd.Series[float], asr: pd.Series[float]) -> pd.DataFrame:
    """Of the points (`accuracy`, `asr`) those that no other point beats, by falling accuracy."""
    ordered = pd.DataFrame({"accuracy": accuracy, "asr": asr}).dropna()
    ordered = ordered.sort_values(["accuracy", "asr"], ascending=[False, True]).drop_duplicates()
    best_before = ordered["asr"].cummin().shift(fill_value=np.inf)
    return ordered[ordered["asr"] < best_before].reset_index(drop=True)


def trade_off(table: pd.DataFrame, shades: Mapping[str, str]) -> Figure:
    """Clean accuracy against ASR of the GoodNet and of B′ under one attack: the rows of `ranking.per_attack`.

    A mark a method and budget, hollow before fine-tuning, with its 95 % intervals; the staircase is the Pareto front.
    """
    titles = ("GoodNet", "B′, the pruned net alone")
    figure, axes = panels(titles, 2.9, xlabel="clean accuracy, %")
    axes[0].set_ylabel("ASR, %")
    marks = dict(zip(table["point"].unique(), MARKERS * len(table), strict=False))
    for panel, net in zip(axes, ("goodnet", "pruned"), strict=True):
        untouched = table[["badnet_accuracy", "badnet_asr"]].mean()
        columns = [
            pd.concat([table[f"{net}_{rate}"], untouched[[f"badnet_{rate}"]]], ignore_index=True) for rate in RATES
        ]
        front = pareto(*columns)
        panel.step(front["accuracy"], front["asr"], where="post", color=REST, lw=1, ls="--")
        for _, row in table.iterrows():
            _mark(panel, row, net, marks[row["point"]], shades[row["method"]])
        panel.plot(*untouched, "x", color=REST, ms=8, mew=2)
    legend(figure, _methods(list(table["method"].unique()), shades), [*_budgets(marks), *_extra()])
    return figure


def _mark(panel: Axes, row: pd.Series[Any], net: str, marker: str, shade: str) -> None:
    x, y = f"{net}_accuracy", f"{net}_asr"
    faint: dict[str, Any] = {"color": shade, "lw": 0.8, "alpha": 0.4}
    if pd.notna(row[f"{x}_low"]):
        panel.hlines(row[y], row[f"{x}_low"], row[f"{x}_high"], **faint)
        panel.vlines(row[x], row[f"{y}_low"], row[f"{y}_high"], **faint)
    panel.plot(row[x], row[y], marker, color=shade, mfc=filling(row["method"], shade), ms=6, mew=1.4)


def _methods(methods: list[str], shades: Mapping[str, str]) -> list[Line2D]:
    known = [(name, shades[name]) for name in shades if name in methods]
    return [
        Line2D([], [], ls="", marker="o", color=shade, mfc=filling(name, shade), label=label(name))
        for name, shade in known
    ]


def _budgets(marks: dict[str, str]) -> list[Line2D]:
    names = {point: "last step" if point == "end" else f"at {budgets.text(point)}" for point in marks}
    return [Line2D([], [], ls="", marker=mark, color=REST, label=names[point]) for point, mark in marks.items()]


def _extra() -> list[Line2D]:
    return [
        Line2D([], [], ls="", marker="x", mew=2, color=REST, label="untouched BadNet"),
        Line2D([], [], ls="--", lw=1, color=REST, label="Pareto front"),
    ]


def curves(found: Mapping[str, list[pd.DataFrame]], shades: Mapping[str, str]) -> Figure:
    """Clean accuracy and ASR of the GoodNet against the fraction pruned, from what `swept` finds.

    A line a name, the mean over seeds, and a band from the lowest seed to the highest. Without fine-tuning, which only
    the nets at budgets see.
    """
    titles = ("clean accuracy of the GoodNet, %", "ASR against the GoodNet, %")
    figure, axes = panels(titles, 2.9, xlabel="pruned, %", ylim=(-0.03, 1.03))
    for name, seeds in found.items():
        for panel, lines in zip(axes, zip(*map(_staircases, seeds), strict=True), strict=True):
            _band(panel, np.array(lines), shades[name])
    lines = [Line2D([], [], color=shades[name], lw=1.8, label=label(name)) for name in shades if name in found]
    legend(figure, lines[::2], lines[1::2])
    return figure


def swept(results: pd.DataFrame, runs: Sequence[Finished], attack: str) -> dict[str, list[pd.DataFrame]]:
    """By method the steps of each of its runs under `attack` that was measured on clean test images; no oracles."""
    steps = {run.id: run.steps for run in runs if "clean_test/goodnet_accuracy" in run.steps}
    known = results[~results["oracle"] & ~results["finetuned"] & (results["trigger"] != "")]
    known = known[known["attack"] == attack]
    known = known[known["run"].isin(steps)].drop_duplicates(["method", "seed"])
    return {str(method): [steps[run] for run in rows["run"]] for method, rows in known.groupby("method")}


def _staircases(steps: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy and ASR at each of FRACTIONS: those of the last step at or before it; NaN beyond the last step."""
    at = np.searchsorted(steps["fraction_pruned"].to_numpy(), FRACTIONS + 1e-9, side="right") - 1
    beyond = steps["fraction_pruned"].iloc[-1] + 1e-9 < FRACTIONS
    rates = (steps["clean_test/goodnet_accuracy"].to_numpy(), mean_asr(steps, "goodnet").to_numpy())
    accuracy, asr = (np.where(beyond, np.nan, rate[at]) for rate in rates)
    return accuracy, asr


def _band(panel: Axes, lines: np.ndarray, colour: str) -> None:
    everywhere = ~np.isnan(lines).any(axis=0)
    known, x = lines[:, everywhere], FRACTIONS[everywhere]
    panel.fill_between(x, known.min(axis=0), known.max(axis=0), step="post", color=colour, alpha=0.18, lw=0)
    panel.step(x, known.mean(axis=0), where="post", color=colour, lw=1.8)


def critical_differences(tests: Tests, shades: Mapping[str, str]) -> Figure:
    """Average ranks, the best on top; bars on the right join methods that Nemenyi's test cannot tell apart."""
    ranks = {str(method): rank for method, rank in tests.ranks.items()}
    figure = Figure(figsize=(WIDTH, 1.1 + 0.3 * len(ranks)), layout="constrained")
    axes = figure.add_subplot(xlabel="average rank", xlim=(0.9, len(ranks) + 0.2), ylim=(len(ranks) - 0.4, -1.3))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    for row, (method, rank) in enumerate(ranks.items()):
        axes.hlines(row, 1, rank, color=REST, lw=0.6)
        axes.plot(rank, row, "o", color=shades[method], mfc=filling(method, shades[method]), ms=7, mew=1.6)
        axes.annotate(f"{rank:.2f}", (rank, row), (7, 5), textcoords="offset points", fontsize=8)
    axes.set_yticks(range(len(ranks)), [label(method) for method in ranks], fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    _join(axes, cliques(tests.ranks, tests.critical_difference))
    _ruler(axes, tests.critical_difference, len(ranks))
    return figure


def _join(axes: Axes, groups: list[tuple[int, int]]) -> None:
    ink = axes.xaxis.label.get_color()
    for number, (first, last) in enumerate(groups):
        place, rows = 1.02 + 0.02 * number, [first - 0.25, last + 0.25]
        frame = axes.get_yaxis_transform()
        axes.plot([place] * 2, rows, transform=frame, clip_on=False, color=ink, lw=2.5, solid_capstyle="butt")


def _ruler(axes: Axes, difference: float, methods: int) -> None:
    end = 1 + min(difference, methods - 1)
    axes.plot([1, end], [-0.8] * 2, "|-", color=axes.xaxis.label.get_color(), lw=1.2, ms=7)
    text = f"critical difference {difference:.2f}"
    offset, align = ((7, -3), "left") if end < 0.6 * methods else ((0, 5), "right")
    axes.annotate(text, (end, -0.8), offset, textcoords="offset points", fontsize=8, ha=align)


def cliques(ranks: pd.Series[float], difference: float) -> list[tuple[int, int]]:
    """The longest stretches, first and last position, of ascending `ranks` in which none differ by `difference`."""
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = int((ranks < rank + difference).sum()) - 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
