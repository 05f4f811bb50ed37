"""The figures of a comparison: what is left of each attack, its price, curves, critical differences."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import ScalarFormatter
from numpy.typing import NDArray

from fineprune.comparison.curves import clean_accuracy, mean_asr
from fineprune.comparison.figure_style import WIDTH, label, legend, mark, panels
from fineprune.comparison.statistics import Tests
from fineprune.names import FRACTION_PRUNED, GOODNET, UNTOUCHED
from fineprune.report.palette import REST, Look
from fineprune.sweeping import budgets
from fineprune.tracking.read import FinishedSweep

RATES = ("accuracy", "asr")
WHOLE = (-0.03, 1.03)  # the scale of rates that may be any
FRACTIONS = np.linspace(0, 1, 201)


def pareto(accuracy: pd.Series[float], asr: pd.Series[float]) -> pd.DataFrame:
    """Of the points (`accuracy`, `asr`) those that no other point beats, by falling accuracy."""
    ordered = pd.DataFrame({"accuracy": accuracy, "asr": asr}).dropna()
    ordered = ordered.sort_values(["accuracy", "asr"], ascending=[False, True]).drop_duplicates()
    best_before = ordered["asr"].cummin().shift(fill_value=np.inf)
    return ordered[ordered["asr"] < best_before].reset_index(drop=True)


def accuracy_scale(table: pd.DataFrame) -> tuple[float, float]:
    """The ends of a scale for every clean accuracy in `table`, the rows of `ranking.per_attack` for all attacks."""
    rates = table.filter(regex="^(goodnet|pruned|badnet)_accuracy(_low|_high)?$").to_numpy(float)
    if np.isnan(rates).all():
        return WHOLE
    low, high = np.nanmin(rates), np.nanmax(rates)
    margin = 0.03 + 0.05 * (high - low)
    return float(low - margin), float(high + margin)


def trade_off(table: pd.DataFrame, looks: Mapping[str, Look], scale: tuple[float, float]) -> Figure:
    """Clean accuracy against ASR of the GoodNet and of B′ under one attack: the rows of `ranking.per_attack`.

    A mark for each method and budget, hollow if only pruned, with 95 % intervals, larger for a larger budget; the
    dashed line is the Pareto front. `scale` holds the ends of the scale of clean accuracy.
    """
    titles = ("GoodNet", "B′, the pruned net alone")
    figure, axes = panels(titles, 2.9, xlabel="clean accuracy, %", xlim=scale, ylim=WHOLE)
    axes[0].set_ylabel("ASR, %")
    sizes = {point: 4.5 + 2 * number for number, point in enumerate(table["point"].unique())}
    for panel, net in zip(axes, ("goodnet", "pruned"), strict=True):
        untouched = table[["badnet_accuracy", "badnet_asr"]].mean()
        columns = [
            pd.concat([table[f"{net}_{rate}"], untouched[[f"badnet_{rate}"]]], ignore_index=True) for rate in RATES
        ]
        front = pareto(*columns)
        panel.step(front["accuracy"], front["asr"], where="post", color=REST, lw=1, ls="--")
        for _, row in table.iterrows():
            _mark(panel, row, net, sizes[row["point"]], looks[row["method"]])
        panel.plot(*untouched, "x", color=REST, ms=8, mew=2)
    measured = table.dropna(subset=[f"goodnet_{rate}" for rate in RATES])["method"]
    legend(figure, _methods(list(measured), looks), [*_budgets(sizes), *_extra()])
    return figure


def _mark(panel: Axes, row: pd.Series[Any], net: str, size: float, look: Look) -> None:
    x, y = f"{net}_accuracy", f"{net}_asr"
    faint: dict[str, Any] = {"color": look.colour, "lw": 0.8, "alpha": 0.4}
    if pd.notna(row[f"{x}_low"]):
        panel.hlines(row[y], row[f"{x}_low"], row[f"{x}_high"], **faint)
        panel.vlines(row[x], row[f"{y}_low"], row[f"{y}_high"], **faint)
    panel.plot(row[x], row[y], ms=size, **mark(row["method"], look))


def _methods(methods: list[str], looks: Mapping[str, Look]) -> list[Line2D]:
    return [Line2D([], [], label=label(name), **mark(name, looks[name])) for name in looks if name in methods]


def _budgets(sizes: dict[str, float]) -> list[Line2D]:
    names = {point: "last step" if point == budgets.END else f"at {budgets.text(point)}" for point in sizes}
    return [
        Line2D([], [], ls="", marker="o", ms=size, mfc="none", color=REST, label=names[point])
        for point, size in sizes.items()
    ]


def _extra() -> list[Line2D]:
    return [
        Line2D([], [], ls="", marker="x", mew=2, color=REST, label="untouched BadNet"),
        Line2D([], [], ls="--", lw=1, color=REST, label="Pareto front"),
    ]


def curves(steps: Mapping[str, list[pd.DataFrame]], looks: Mapping[str, Look], amount: str) -> Figure:
    """Clean accuracy and ASR of the GoodNet against the column `amount` of steps, from the result of `steps_by_method`.

    A line for each name, the mean over seeds, and a band from the lowest seed to the highest. Without fine-tuning: only
    the nets at budgets are fine-tuned.
    """
    titles = ("clean accuracy of the GoodNet, %", "ASR against the GoodNet, %")
    shares = amount == FRACTION_PRUNED
    figure, axes = panels(titles, 2.9, xlabel="pruned, %" if shares else amount.replace("_", " "), ylim=WHOLE)
    if not shares:
        axes[0].xaxis.set_major_formatter(ScalarFormatter())
    seeds = [seed for name in steps for seed in steps[name]]
    places = FRACTIONS if shares else np.unique(np.concatenate([seed[amount].dropna() for seed in seeds]))
    for name, seeds in steps.items():
        for panel, lines in zip(
            axes, zip(*(_staircases(seed, amount, places) for seed in seeds), strict=True), strict=True
        ):
            _band(panel, places, np.array(lines), looks[name])
    lines = [Line2D([], [], label=label(name), **_line(looks[name])) for name in looks if name in steps]
    legend(figure, lines[::2], lines[1::2])
    return figure


def amounts(runs: Sequence[FinishedSweep]) -> list[str]:
    """What the steps of `runs` go by, the share pruned first."""
    return sorted({run.amount for run in runs}, key=lambda amount: (amount != FRACTION_PRUNED, amount))


def steps_by_method(
    results: pd.DataFrame, runs: Sequence[FinishedSweep], attack: str, amount: str
) -> dict[str, list[pd.DataFrame]]:
    """For each method that goes by `amount`, the steps of its runs under `attack`; no oracles.

    Only what was measured on clean test images.
    """
    measured = {amount, clean_accuracy(GOODNET)}
    steps = {run.id: run.steps for run in runs if run.amount == amount and measured <= set(run.steps)}
    rows = results[~results["oracle"] & ~results["finetuned"] & (results["trigger"] != "")]
    rows = rows[rows["method"] != UNTOUCHED]  # where every curve begins
    rows = rows[rows["attack"] == attack]
    rows = rows[rows["run"].isin(steps)].drop_duplicates(["method", "seed"])
    return {str(method): [steps[run] for run in group["run"]] for method, group in rows.groupby("method")}


def _staircases(steps: pd.DataFrame, amount: str, places: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Accuracy and ASR at each of `places`: those of the last step at or before it; NaN before the first step and
    beyond the last."""
    steps = steps[steps[amount].notna()].sort_values(amount, kind="stable")
    at = np.searchsorted(steps[amount].to_numpy(), places + 1e-9, side="right") - 1
    outside = (at < 0) | (steps[amount].max() + 1e-9 < places)
    rates = (steps[clean_accuracy(GOODNET)].to_numpy(), mean_asr(steps, GOODNET).to_numpy())
    accuracy, asr = (np.where(outside, np.nan, rate[at]) for rate in rates)
    return accuracy, asr


def _band(panel: Axes, places: NDArray[Any], lines: NDArray[Any], look: Look) -> None:
    measured = ~np.isnan(lines).any(axis=0)
    rates, x = lines[:, measured], places[measured]
    panel.fill_between(x, rates.min(axis=0), rates.max(axis=0), step="post", color=look.colour, alpha=0.18, lw=0)
    panel.step(x, rates.mean(axis=0), where="post", markevery=(0.0, 0.15), **_line(look))


def _line(look: Look) -> dict[str, Any]:
    return {"color": look.colour, "ls": look.stroke, "marker": look.marker, "ms": 4, "lw": 1.6}


def critical_differences(tests: Tests, looks: Mapping[str, Look]) -> Figure:
    """Average ranks, the best on top; bars on the right join methods that Nemenyi's test cannot tell apart."""
    ranks = {str(method): rank for method, rank in tests.ranks.items()}
    figure = Figure(figsize=(WIDTH, 1.1 + 0.3 * len(ranks)), layout="constrained")
    axes = figure.add_subplot(xlabel="average rank", xlim=(0.9, len(ranks) + 0.2), ylim=(len(ranks) - 0.4, -1.3))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    for row, (method, rank) in enumerate(ranks.items()):
        axes.hlines(row, 1, rank, color=REST, lw=0.6)
        axes.plot(rank, row, ms=7, **mark(method, looks[method]))
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
    groups: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = int((ranks < rank + difference).sum()) - 1
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    return groups


def matrix(table: pd.DataFrame, untouched: Mapping[str, float], weak: Collection[str]) -> Figure:
    """The ASR of the GoodNet at one budget, a row for each method, a column for each attack; below it the price, small.

    `table` has a row for each method and attack that were measured: `goodnet_asr`, `price`, the fall of clean accuracy,
    both fractions; whether the backdoor is `removed`; whether the method is a `control` or an `oracle`, which stand
    below the others. `untouched` holds the ASR of the BadNet by attack; `weak` the attacks that hardly work on it.
    """
    measured = table.dropna(subset=["goodnet_asr"])
    attacks = {attack: column for column, attack in enumerate(untouched)}
    rows = dict(_rows(measured))
    end = 1 + max(rows.values(), default=0)
    headings = [f"{label(attack)} (weak)" if attack in weak else label(attack) for attack in attacks]
    slanted = 0.04 * max(map(len, headings), default=0)  # inches that the longest heading takes
    size = max(WIDTH, 2.8 + 0.62 * len(attacks)), 0.7 + 0.46 * end + slanted
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot(xlim=(0, len(attacks)), ylim=(end, 0))
    for attack, asr in untouched.items():
        _cell(axes, attacks[attack], 0, asr, "", removed=False)
    for cell in measured.to_dict("records"):
        price = "" if pd.isna(cell["price"]) else f"{round(-100 * cell['price'], 1) + 0.0:+.1f}".replace("-", "−")
        _cell(axes, attacks[cell["attack"]], rows[cell["method"]], cell["goodnet_asr"], price, removed=cell["removed"])
    axes.set_xticks(np.arange(len(attacks)) + 0.5, headings, rotation=30, ha="left", rotation_mode="anchor")
    titles = {row["method"]: _titled(row) for row in measured.to_dict("records")}
    axes.set_yticks(np.array([0, *rows.values()]) + 0.5, [UNTOUCHED, *(titles[name] for name in rows)])
    axes.tick_params(length=0, labelsize=8.5, top=True, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    _key(figure, bool(weak), bool(measured["removed"].any()))
    return figure


def _rows(measured: pd.DataFrame) -> Iterator[tuple[str, float]]:
    """The place of each method: below the untouched network, with a gap before controls and before oracles."""
    place, before = 1.25, None
    ordered = measured.sort_values(["oracle", "control"], kind="stable").drop_duplicates("method")
    for row in ordered.to_dict("records"):
        kind = (row["oracle"], row["control"])
        place += 0.25 if before not in (None, kind) else 0
        yield row["method"], place
        place, before = place + 1, kind


def _titled(row: Mapping[Any, Any]) -> str:
    kinds = [kind for kind in ("control", "oracle") if row[kind]]
    return f"{label(row['method'])} ({', '.join(kinds)})" if kinds else label(row["method"])


def _cell(axes: Axes, column: int, row: float, asr: float, price: str, *, removed: bool) -> None:
    if np.isnan(asr):
        return
    ground = matplotlib.colormaps["cividis_r"](asr)
    ink = "#ffffff" if _luminance(ground) < 0.18 else "#000000"
    axes.add_patch(Rectangle((column + 0.02, row + 0.03), 0.96, 0.94, facecolor=ground, lw=0))
    text = f"{100 * asr:.0f}{' ✓' if removed else ''}"
    axes.text(column + 0.5, row + (0.38 if price else 0.5), text, ha="center", va="center", color=ink, fontsize=9.5)
    axes.text(column + 0.5, row + 0.76, price, ha="center", va="center", color=ink, fontsize=7)


def _luminance(colour: Sequence[float]) -> float:
    """The relative luminance of an sRGB colour, as WCAG 2 defines it."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _key(figure: Figure, weak: bool, removed: bool) -> None:
    lines = ["large: ASR of the GoodNet, %; small: change of clean accuracy, points"]
    marks = ["✓: backdoor removed"] if removed else []
    marks += ["weak: hardly works on the untouched network"] if weak else []
    figure.supxlabel("\n".join([*lines, "; ".join(marks)] if marks else lines), fontsize=8)
