"""Whether a backdoor is gone: a bar that says when, and which methods get under it, attack by attack."""

from __future__ import annotations

from math import nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fineprune import names
from fineprune.checks import Fraction, checked
from fineprune.comparison.frame import PRICE
from fineprune.comparison.ranking import BEFORE, POINT, blocks, means
from fineprune.comparison.statistics import ALPHA, DIGITS, holm
from fineprune.names import UNTOUCHED, WEAK

ASR = names.column(names.GOODNET, names.ASR)


class Bar:
    """When a backdoor counts as removed at a budget.

    The GoodNet's ASR is at most `asr`, or what chance gives where that is more: the upper end of its 95 % interval, or
    the rate itself from one seed. And its clean test accuracy has fallen by at most the budget and `overshoot`, since
    a budget leads to the first step at or over it, and on other images. Fractions.
    """

    @checked("removed")
    def __init__(self, asr: Fraction = 0.10, overshoot: Fraction = 0.01) -> None:
        self.asr, self.overshoot = asr, overshoot

    def __str__(self) -> str:
        return (
            f"Removed, ✓: an ASR of at most {100 * self.asr:g} %, or chance where that is more, by the upper end of "
            f"its 95 % interval, and smaller than the untouched network’s by a test over seeds, at a price of at most "
            f"the budget and {100 * self.overshoot:g} more, in points of accuracy."
        )


def removal(results: pd.DataFrame, bar: Bar) -> pd.DataFrame:
    """Each method, attack and point with its means, whether the BadNet is `weak`, and whether the method `removed` it.

    Besides passing the `bar`, what removes a backdoor must have a smaller ASR than the untouched BadNet: `p` is that of
    a one-sided paired t-test over seeds. From one seed, or from the same change in all, there is no test: then `p` is
    NaN, and no objection, where ASR falls, else 1. `p_holm` is corrected for the methods that compete under the attack,
    oracles among themselves; the untouched network is none of them.
    """
    rows = blocks(results)
    rows = rows[rows["attacked"]]
    by = [*POINT, "attack", "method", "oracle", "control"]
    measured = [ASR, BEFORE, PRICE]
    table = means(rows, by, measured)
    if table.empty:
        return table
    table["weak"] = table[BEFORE] < WEAK
    table["p"] = [_p(part) for _, part in rows.groupby(by, sort=False)]
    competing = table[table["method"] != UNTOUCHED]
    table["p_holm"] = competing.groupby(["point", "attack", "oracle"], sort=False)["p"].transform(_holm)
    chance = table["attack"].map(1 / results.groupby("attack")["classes"].max()).fillna(0)
    allowed = table["budget"] + bar.overshoot + 1e-9
    removed = table[f"{ASR}_high"].fillna(table[ASR]) <= np.maximum(bar.asr, chance)
    removed &= (table[PRICE] <= allowed) & ~(table["p_holm"] >= ALPHA) & (table["method"] != UNTOUCHED)
    return _ordered(table.assign(removed=removed))


def _p(seeds: pd.DataFrame) -> float:
    from scipy import stats

    falls: NDArray[np.float64] = (seeds[BEFORE] - seeds[ASR]).round(DIGITS).to_numpy()
    if len(falls) < 2 or np.ptp(falls) == 0:
        return nan if falls.mean() > 0 else 1.0
    return float(stats.ttest_1samp(falls, 0, alternative="greater").pvalue)


def _holm(p_values: pd.Series[float]) -> pd.Series[float]:
    return holm(p_values.dropna()).reindex(p_values.index)


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """By budget and attack: the untouched net, other controls, then the methods with the lowest mean ASR, oracles."""
    mean = table.groupby(["point", "method"])[ASR].transform("mean")
    keys = table.assign(other=table["method"] != UNTOUCHED, mean=mean)
    order = ["budget", "attack", "oracle", "other", "control", "mean", "method"]
    ascending = [name != "control" for name in order]
    return table.loc[keys.sort_values(order, ascending=ascending, kind="stable").index].reset_index(drop=True)
