"""Whether a backdoor is gone: a bar that says when, and which methods get under it, attack by attack."""

from __future__ import annotations

from math import nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fineprune import names
from fineprune.checks import Fraction, checked
from fineprune.comparison.frame import PRICE
from fineprune.comparison.ranking import blocks, means
from fineprune.comparison.statistics import ALPHA, DIGITS, holm
from fineprune.names import UNTOUCHED
from fineprune.sweeping import budgets

ASR = names.column(names.GOODNET, names.ASR)
BEFORE = names.column(names.BADNET, names.ASR)
WORKS = 0.9  # a BadNet with a smaller ASR is a weak one: there is less to remove


class Bar:
    """When a backdoor counts as removed at a budget.

    The GoodNet's ASR is at most `asr`, or what chance gives where that is more: the upper end of its 95 % interval, or
    the rate itself from one seed. And its clean test accuracy has fallen by at most the budget and `overshoot`, since
    a budget leads to the first step at or over it, and on other images. Fractions.
    """

    @checked("removed")
    def __init__(self, asr: Fraction = 0.10, overshoot: Fraction = 0.01) -> None:
        self.asr, self.overshoot = asr, overshoot


def removal(results: pd.DataFrame, bar: Bar) -> pd.DataFrame:
    """Each method, attack and point with its means, whether the BadNet is `weak`, and whether the method `removed` it.

    Besides passing the `bar`, what removes a backdoor must have a smaller ASR than the untouched BadNet: `p` is that of
    a one-sided paired t-test over seeds, `p_holm` the same corrected for the methods of the attack. It is NaN, and no
    objection, where it cannot be had: from one seed, or from seeds without any difference.
    """
    rows = blocks(results)
    rows = rows[rows["attacked"]]
    by = ["point", "attack", "method", "oracle", "control"]
    measured = [ASR, BEFORE, PRICE]
    table = means(rows, by, measured)
    if table.empty:
        return table
    table["weak"] = table[BEFORE] < WORKS
    table["p"] = [_p(part) for _, part in rows.groupby(by, sort=False)]
    table["p_holm"] = table.groupby(["point", "attack"], sort=False)["p"].transform(_holm)
    chance = table["attack"].map(1 / results.groupby("attack")["classes"].max()).fillna(0)
    allowed = table["point"].map(budgets.percent) / 100 + bar.overshoot + 1e-9
    removed = table[f"{ASR}_high"].fillna(table[ASR]) <= np.maximum(bar.asr, chance)
    removed &= (table[PRICE] <= allowed) & ~(table["p_holm"] >= ALPHA) & (table["method"] != UNTOUCHED)
    return _ordered(table.assign(removed=removed))


def _p(seeds: pd.DataFrame) -> float:
    from scipy import stats

    falls: NDArray[np.float64] = (seeds[BEFORE] - seeds[ASR]).round(DIGITS).to_numpy()
    if not falls.any():
        return 1.0
    if len(falls) < 2 or np.ptp(falls) == 0:
        return nan
    return float(stats.ttest_1samp(falls, 0, alternative="greater").pvalue)


def _holm(p_values: pd.Series[float]) -> pd.Series[float]:
    return holm(p_values.dropna()).reindex(p_values.index)


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """By budget and attack: the untouched net, other controls, then the methods with the lowest mean ASR, oracles."""
    mean = table.groupby(["point", "method"])[ASR].transform("mean")
    keys = table.assign(place=table["point"].map(budgets.percent), other=table["method"] != UNTOUCHED, mean=mean)
    order = ["place", "attack", "oracle", "other", "control", "mean", "method"]
    ascending = [name != "control" for name in order]
    return table.loc[keys.sort_values(order, ascending=ascending, kind="stable").index].reset_index(drop=True)
