"""How much luck the settings of a method need: what becomes of it as they are varied."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fineprune.comparison.figure_style import WIDTH, label, legend
from fineprune.comparison.ranking import BLOCK, SCORE, blocks, is_strong, means
from fineprune.report.palette import INK, REST

METHOD = ["point", "budget", "method"]


def sensitivity(results: pd.DataFrame) -> pd.DataFrame:
    """Each method that ran with several settings, at each point, by its mean rates over what all of them were run on.

    `plain` is its name without settings; `default` marks the one row of it whose changed settings all its rows share.
    """
    about = results.drop_duplicates("method").set_index("method")
    rows = blocks(results).dropna(subset=SCORE)
    rows = rows[rows["attacked"]]
    rows = rows[is_strong(rows)].assign(plain=rows["method"].map(about["plain"]))
    settings = rows.groupby(["point", "plain"])["method"].transform("nunique")
    complete = rows.groupby(["point", "plain", *BLOCK])["method"].transform("nunique") == settings
    table = means(rows[complete & (settings > 1)], [*METHOD, "plain"])
    table = table.assign(changed=table["method"].map(about["changed"]))
    return table.assign(default=_default(table)).sort_values(["budget", "plain", SCORE]).reset_index(drop=True)


def _default(table: pd.DataFrame) -> pd.Series[bool]:
    """Whether each row has the defaults, as far as its method's rows differ: all others of it change more settings."""
    changed = table["changed"].str.split().map(frozenset)
    shared = {plain: frozenset.intersection(*changed[rows.index]) for plain, rows in table.groupby("plain")}
    least = changed == table["plain"].map(shared)
    return least & (least.groupby([table["point"], table["plain"]]).transform("sum") == 1)


def strips(table: pd.DataFrame) -> Figure:
    """The DER of each setting at one point: a line for each method, a mark for each of its settings, full by default.

    `table` holds the rows of `sensitivity` at that point. The methods whose settings matter least stand on top.
    """
    spread = table.groupby("plain")[SCORE].agg(lambda scores: scores.max() - scores.min()).sort_values()
    figure = Figure(figsize=(WIDTH, 1.0 + 0.32 * len(spread)), layout="constrained")
    axes = figure.add_subplot(xlabel="DER of the GoodNet, %", ylim=(len(spread) - 0.5, -0.5))
    axes.axvline(50, color=REST, lw=1, ls=":")
    for row, plain in enumerate(spread.index):
        settings = table[table["plain"] == plain]
        axes.hlines(row, 100 * settings[SCORE].min(), 100 * settings[SCORE].max(), color=REST, lw=0.8)
        for setting in settings.sort_values("default").to_dict("records"):
            filling = INK if setting["default"] else "none"
            axes.plot(100 * setting[SCORE], row, ls="", marker="o", ms=6, color=INK, mfc=filling, mew=1.4)
    axes.set_yticks(range(len(spread)), [label(str(plain)) for plain in spread.index], fontsize=8.5)
    marks = {"its defaults": INK, "other settings": "none"}
    lines = [Line2D([], [], ls="", marker="o", color=INK, mfc=filling, label=name) for name, filling in marks.items()]
    legend(figure, lines[:1], lines[1:], [Line2D([], [], ls=":", color=REST, label="leaving the network as it is")])
    return figure
