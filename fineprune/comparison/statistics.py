"""Whether methods differ by more than chance: Friedman, Wilcoxon with Holm's correction, Nemenyi.

The procedure is that of J. Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7 (2006), with
attack × seed as data sets and the GoodNet's DER as the score.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from fineprune.comparison.ranking import BLOCK, SCORE, Contest

ALPHA = 0.05
DIGITS = 9


@dataclass(frozen=True)
class Tests:
    """The results of the tests on one contest.

    `ranks` are average ranks by method, 1 the best. `pairs` has a row for each two methods, the better one first:
    `first, second, difference` (mean, of DER), `p`, `p_holm`, `differ`. `friedman` is a p-value, NaN for less than
    three methods; `critical_difference` of average ranks, NaN likewise. With fewer than `needed` blocks no two methods
    can be told apart, however they differ.
    """

    blocks: int
    needed: int
    ranks: pd.Series[float]
    friedman: float
    critical_difference: float
    pairs: pd.DataFrame

    @property
    def enough(self) -> bool:
        """Whether there are enough blocks to tell any two methods apart."""
        return self.blocks >= self.needed


def test(contest: Contest) -> Tests:
    """All tests on one contest; scores are rounded first, so that rounding errors do not undo ties."""
    scores = contest.blocks.pivot_table(SCORE, BLOCK, "method").round(DIGITS)
    count = len(scores.columns)
    return Tests(
        len(scores),
        needed_blocks(count * (count - 1) // 2),
        average_ranks(scores),
        friedman(scores),
        critical_difference(count, len(scores)),
        _pairs(scores),
    )


def average_ranks(scores: pd.DataFrame) -> pd.Series[float]:
    """The mean over blocks of each method's rank, 1 for the highest score; ties share the middle rank."""
    return scores.rank(axis=1, ascending=False).mean().sort_values(kind="stable")


def friedman(scores: pd.DataFrame) -> float:
    """The p-value of all methods being alike; 1 for nothing but ties, NaN for less than 3 methods or 2 blocks."""
    from scipy import stats

    if len(scores.columns) < 3 or len(scores) < 2:
        return np.nan
    if (scores.nunique(axis=1) == 1).all():
        return 1.0
    return float(stats.friedmanchisquare(*(scores[name] for name in scores)).pvalue)


def critical_difference(methods: int, blocks: int) -> float:
    """By how much average ranks have to differ, by Nemenyi's test; NaN for less than 3 methods or 2 blocks."""
    from scipy import stats

    if methods < 3 or blocks < 2:
        return np.nan
    quantile = stats.studentized_range.ppf(1 - ALPHA, methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(methods * (methods + 1) / (6 * blocks)))


def holm(p_values: pd.Series[float]) -> pd.Series[float]:
    """Holm's correction (1979): the i-th smallest of m times m − i + 1, at least its forerunner, at most 1."""
    ascending = p_values.sort_values(kind="stable")
    corrected = ascending * np.arange(len(ascending), 0, -1)
    return corrected.cummax().clip(upper=1).reindex(p_values.index)


def needed_blocks(comparisons: int) -> int:
    """The fewest blocks in which the smallest p-value of Wilcoxon's test, 2 · 2⁻ⁿ, is below 0.05 after Holm."""
    return int(np.floor(1 + np.log2(max(comparisons, 1) / ALPHA))) + 1


def _pairs(scores: pd.DataFrame) -> pd.DataFrame:
    rows = []
    order = scores.mean().sort_values(ascending=False, kind="stable").index
    for first, second in combinations(order, 2):
        differences = (scores[first] - scores[second]).round(DIGITS)
        row = {"first": first, "second": second, "difference": differences.mean(), "p": wilcoxon(differences)}
        rows.append(row)
    pairs = pd.DataFrame(rows, columns=["first", "second", "difference", "p"]).astype({"p": float})
    corrected = holm(pairs["p"])
    return pairs.assign(p_holm=corrected, differ=corrected < ALPHA)


def wilcoxon(differences: pd.Series[float]) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test; blocks without a difference are left out, as he did."""
    from scipy import stats

    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)
