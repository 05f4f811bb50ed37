"""Clean accuracy against ASR, curves against the fraction pruned, and critical differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fineprune import budgets
from fineprune.comparison.areas import mean_asr
from fineprune.comparison.plots import REST, WIDTH, colours, label, legend, panels
from fineprune.comparison.statistics import Tests
from fineprune.logged import Finished

MARKERS = ("o", "^", "s", "D", "v", "P", "X")
FRACTIONS = np.linspace(0, 1, 201)


def pareto(accuracy: pd.Series[float], asr: pd.Series[float]) -> pd.DataFrame:
    """Of the points (`accuracy`, `asr`) those that no other point beats, by falling accuracy."""
    ordered = pd.DataFrame({"accuracy": accuracy, "asr": asr}).dropna()
    ordered = ordered.sort_values(["accuracy", "asr"], ascending=[False, True]).drop_duplicates()
    best_before = ordered["asr"].cummin().shift(fill_value=np.inf)
    return ordered[ordered["asr"] < best_before].reset_index(drop=True)


def trade_off(table: pd.DataFrame) -> Figure:
    """Clean accuracy against ASR of the GoodNet and of B′ under one attack: the rows of `ranking.per_attack`.

    A mark a method and budget, hollow before fine-tuning, with its 95 % intervals; the staircase is the Pareto front.
    """
    figure, axes = panels(("GoodNet", "B′, the pruned net alone"), 3.9)
    marks = dict(zip(table["point"].unique(), MARKERS * len(table), strict=False))
    colour = colours(list(table["method"].unique()))
    for panel, net in zip(axes, ("goodnet", "pruned"), strict=True):
        panel.set(xlabel="clean accuracy", ylabel="ASR")
        _front(panel, pareto(table[f"{net}_accuracy"], table[f"{net}_asr"]))
        for row in table.to_dict("records"):
            _mark(panel, pd.Series(row), net, marks[row["point"]], colour[row["method"]])
        untouched = table[["badnet_accuracy", "badnet_asr"]].mean()
        panel.plot(*untouched, "x", color=REST, ms=8, mew=2)
    legend(figure, [*_methods(colour), *_budgets(marks), *_extra()])
    return figure


def _front(panel: Axes, front: pd.DataFrame) -> None:
    panel.step(front["accuracy"], front["asr"], where="post", color=REST, lw=1, ls="--")


def _mark(panel: Axes, row: pd.Series[float], net: str, marker: str, colour: str) -> None:
    x, y = f"{net}_accuracy", f"{net}_asr"
    for name, line in ((x, panel.hlines), (y, panel.vlines)):
        other = row[y if name == x else x]
        if not np.isnan(row[f"{name}_low"]):
            line(other, row[f"{name}_low"], row[f"{name}_high"], color=colour, lw=0.8, alpha=0.45)
    full = " + fine-tuning" in str(row["method"])
    panel.plot(row[x], row[y], marker, color=colour, mfc=colour if full else "none", ms=6, mew=1.4)


def _methods(colour: dict[str, str]) -> list[Line2D]:
    return [
        Line2D(
            [], [], ls="", marker="o", color=shade, mfc=shade if " + fine-tuning" in name else "none", label=label(name)
        )
        for name, shade in colour.items()
    ]


def _budgets(marks: dict[str, str]) -> list[Line2D]:
    names = {point: "last step" if point == "end" else f"at {budgets.text(point)}" for point in marks}
    return [Line2D([], [], ls="", marker=mark, color=REST, label=names[point]) for point, mark in marks.items()]


def _extra() -> list[Line2D]:
    return [
        Line2D([], [], ls="", marker="x", mew=2, color=REST, label="untouched BadNet"),
        Line2D([], [], ls="--", lw=1, color=REST, label="Pareto front"),
    ]


def curves(found: Mapping[str, list[pd.DataFrame]]) -> Figure:
    """Clean accuracy and ASR of the GoodNet against the fraction pruned, from what `swept` finds.

    A line a method, the mean over seeds, and a band from the lowest seed to the highest. Without fine-tuning, which
    only the nets at budgets see.
    """
    figure, axes = panels(("clean accuracy of the GoodNet", "ASR against the GoodNet"), 3.3)
    colour = colours(list(found))
    for method, seeds in found.items():
        for panel, lines in zip(axes, zip(*map(_staircases, seeds), strict=True), strict=True):
            _band(panel, np.array(lines), colour[method])
    for panel in axes:
        panel.set(xlabel="fraction pruned", ylim=(-0.03, 1.03))
    legend(figure, [Line2D([], [], color=shade, lw=1.8, label=label(name)) for name, shade in colour.items()])
    return figure


def swept(results: pd.DataFrame, runs: Sequence[Finished], attack: str) -> dict[str, list[pd.DataFrame]]:
    """By method the steps of each of its runs under `attack`, of those that were measured on clean test images."""
    steps = {run.id: run.steps for run in runs if "clean_test/goodnet_accuracy" in run.steps}
    known = results[(results["attack"] == attack) & ~results["finetuned"] & (results["trigger"] != "")]
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


def critical_differences(tests: Tests) -> Figure:
    """Average ranks, the best on top; bars on the right join methods that Nemenyi's test cannot tell apart."""
    ranks = tests.ranks
    figure = Figure(figsize=(WIDTH, 1.1 + 0.3 * len(ranks)), layout="constrained")
    axes = figure.add_subplot(xlabel="average rank", xlim=(0.8, len(ranks) + 0.2), ylim=(len(ranks) - 0.4, -1.3))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    shade = colours(list(ranks.index))
    for row, (method, rank) in enumerate(ranks.items()):
        axes.hlines(row, 1, rank, color=REST, lw=0.6)
        full = " + fine-tuning" in str(method)
        axes.plot(rank, row, "o", color=shade[str(method)], mfc=shade[str(method)] if full else "none", ms=7, mew=1.6)
        axes.annotate(f"{rank:.2f}", (rank, row), (7, 5), textcoords="offset points", fontsize=8)
    axes.set_yticks(range(len(ranks)), [label(str(method)) for method in ranks.index], fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    ink = axes.xaxis.label.get_color()
    for number, (first, last) in enumerate(cliques(ranks, tests.critical_difference)):
        bar = axes.get_yaxis_transform(), [1.02 + 0.02 * number] * 2, [first - 0.25, last + 0.25]
        axes.plot(*bar[1:], transform=bar[0], clip_on=False, color=ink, lw=2.5, solid_capstyle="butt")
    width = min(tests.critical_difference, len(ranks) - 1)
    text = f"critical difference {tests.critical_difference:.2f}"
    axes.plot([1, 1 + width], [-0.8] * 2, "|-", color=ink, lw=1.2, ms=7)
    axes.annotate(text, (1 + width, -0.8), (7, -3), textcoords="offset points", fontsize=8)
    return figure


def cliques(ranks: pd.Series[float], difference: float) -> list[tuple[int, int]]:
    """The longest stretches, first and last position, of ascending `ranks` in which none differ by `difference`."""
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = int((ranks < rank + difference).sum()) - 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
