"""Means and intervals over seeds, and who ranks where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fineprune import names
from fineprune.comparison.frame import MEASURED, PRICE, UNIT
from fineprune.names import WEAK

SCORE = names.column(names.GOODNET, names.DER)
BEFORE = names.column(names.BADNET, names.ASR)
CONFIDENCE = 0.95
TIED = 3
DIFFERENCES = (PRICE, "asr_back", "asr_planted")  # may be below 0
BLOCK = ["attack", "seed"]
POINT = ["point", "budget"]
KINDS = ["oracle", "control", "attacked"]


@dataclass(frozen=True)
class Contest:
    """What can be compared at one point: `blocks` of attack and seed that every one of `methods` has.

    `blocks` has a row for each method and block. `absent` says why a method is not among `methods`, `controls` are
    those that are there to be beaten, and `weak` the blocks that are left out since the BadNet is WEAK.
    """

    point: str
    methods: list[str]
    blocks: pd.DataFrame
    absent: dict[str, str]
    controls: list[str]
    weak: list[str]

    @property
    def count(self) -> int:
        """The number of blocks."""
        return len(self.blocks[BLOCK].drop_duplicates())


def blocks(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each method, attack, seed and point: an attack counts once, by the mean over its triggers."""
    measured = results[results["not_applicable"] == ""].assign(attacked=results["trigger"] != "")
    return measured.groupby([*POINT, *UNIT, *KINDS], sort=False)[MEASURED].mean().reset_index()


def points(results: pd.DataFrame) -> list[str]:
    """The points of any run: budgets, the smallest first, then `end`."""
    return list(results.dropna(subset="budget").sort_values("budget")["point"].unique())


def is_strong(rows: pd.DataFrame) -> pd.Series[bool]:
    """Whether each row is of a BadNet that is not WEAK; all are where none is."""
    strong = rows[BEFORE] >= WEAK
    return strong | (not strong.any())


def contest(results: pd.DataFrame, point: str) -> Contest:
    """The methods and blocks to compare at `point`.

    A method that was measured in less than half of all blocks is left out, since only blocks that all have are kept.
    So are BadNets with an ASR under WEAK, from which there is less to remove, unless there are no others.
    """
    here = blocks(results[~results["oracle"] & (results["point"] == point)]).dropna(subset=SCORE)
    strong = is_strong(here)
    weak = [
        f"{attack}, seed {seed}" for attack, seed in here.loc[~strong, BLOCK].drop_duplicates().itertuples(index=False)
    ]
    here = here[strong]
    measured, everything = here.groupby("method").size(), len(here[BLOCK].drop_duplicates())
    absent = {
        str(name): f"{count} of {everything} blocks" for name, count in measured.items() if 2 * count < everything
    }
    here = here[~here["method"].isin(absent)]
    methods = [str(name) for name in measured.index if name not in absent]
    complete = here.groupby(BLOCK)["method"].transform("nunique") == len(methods)
    controls = [str(name) for name in here.loc[here["control"], "method"].unique()]
    return Contest(point, methods, here[complete].reset_index(drop=True), absent, controls, weak)


def means(rows: pd.DataFrame, by: list[str], measured: list[str] = MEASURED) -> pd.DataFrame:
    """For each group the mean over seeds of what is `measured`, with bounds `…_low` and `…_high`, and `seeds`.

    Bounds are those of the 95 % confidence interval by Student's t, NaN from a single seed, and cut where no value can
    lie: below 0 (a difference: −1) and, but for costs, above 1. Attacks are averaged within a seed first: runs of one
    seed may share their images, so only seeds are independent.
    """
    from scipy import stats

    groups = rows.groupby([*by, "seed"], sort=False)[measured].mean().groupby(by, sort=False)
    mean, count = groups.mean(), groups.count()
    half = groups.sem() * stats.t.ppf((1 + CONFIDENCE) / 2, (count - 1).where(count > 1))
    least = [-1.0 if name in DIFFERENCES else 0.0 for name in measured]
    most = [np.inf if name in names.COSTS else 1.0 for name in measured]
    low, high = ((mean + sign * half).clip(least, most, axis=1) for sign in (-1, 1))
    seeds = groups.size().rename("seeds")
    return pd.concat([seeds, mean, low.add_suffix("_low"), high.add_suffix("_high")], axis=1).reset_index()


def ranked(table: pd.DataFrame, within: list[str]) -> pd.DataFrame:
    """`table` with a `rank` by the GoodNet's mean DER, and sorted by it.

    DERs that are equal to a tenth of a percentage point share a rank, as they look the same in the table.
    """
    scores = (
        table.assign(score=table[SCORE].round(TIED)).groupby(within)["score"] if within else table[SCORE].round(TIED)
    )
    ranks = table.assign(rank=scores.rank(ascending=False, method="min").astype("Int64"))
    return ranks.sort_values([*within, "rank", "method"], kind="stable")[["rank", *table.columns]]


def overall(results: pd.DataFrame) -> pd.DataFrame:
    """At each point, the methods of its `Contest` ranked over all attacks: a row each."""
    return _at_each_point(results, lambda point: _overall(contest(results, point)))


def _overall(contest: Contest) -> pd.DataFrame:
    return ranked(means(contest.blocks, ["method", "control"]).assign(blocks=contest.count), [])


def per_attack(results: pd.DataFrame) -> pd.DataFrame:
    """At each point and for each attack, the methods ranked; no oracles."""
    return _per_attack(results[~results["oracle"]])


def oracles(results: pd.DataFrame) -> pd.DataFrame:
    """The same of the strategies that use poisoned images, and so have seen what they are measured by."""
    return _per_attack(results[results["oracle"]])


def unattacked(results: pd.DataFrame) -> pd.DataFrame:
    """What the methods cost where there are no poisoned images, so without ASR and rank."""
    rows = blocks(results)
    return _at_each_point(results, lambda point: _means_at(rows[~rows["attacked"]], point))


def not_applicable(results: pd.DataFrame) -> pd.DataFrame:
    """Which methods cannot work on which networks, and why."""
    rows = results[results["not_applicable"] != ""]
    return rows.groupby(["method", "attack", "not_applicable"])["seed"].nunique().rename("seeds").reset_index()


def _per_attack(results: pd.DataFrame) -> pd.DataFrame:
    rows = blocks(results)
    return _at_each_point(results, lambda point: ranked(_means_at(rows[rows["attacked"]], point), ["attack"]))


def _means_at(rows: pd.DataFrame, point: str) -> pd.DataFrame:
    return means(rows[rows["point"] == point], ["attack", "method", "oracle", "control"])


def _at_each_point(results: pd.DataFrame, table: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
    tables = [table(point).assign(point=point) for point in points(results)]
    filled = [rows for rows in tables if len(rows)]
    if not filled:
        return pd.DataFrame(columns=["point", "rank", "attack", "method", "control", "seeds", "blocks", *MEASURED])
    joined = pd.concat(filled, ignore_index=True)
    return joined[["point", *joined.columns.drop("point")]]
