"""The answer in a few sentences for each budget, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

from fineprune.comparison import statistics
from fineprune.comparison.ranking import BEFORE, SCORE, TIED, Contest, contest, overall, points
from fineprune.comparison.removal import Bar, removal
from fineprune.names import ACCURACY, ASR, BADNET, GOODNET, WEAK, column
from fineprune.sweeping import budgets

NO_BREAK = "\N{NO-BREAK SPACE}"
MOST = 4


@dataclass(frozen=True)
class Verdict:
    """The answer at one point, in words.

    `leaders` are the methods that rank first, `place` says of how many and with which rates, `sure` how sure that is,
    `controls` whether the best method that is no control beats those that are, `removed` which backdoors are gone, and
    `left_out` which methods were measured too seldom to be ranked, and on which BadNets there is little to remove.
    """

    point: str
    leaders: str
    place: str
    sure: str
    controls: str
    removed: str
    left_out: str
    tests: statistics.Tests
    ranking: pd.DataFrame

    @property
    def name(self) -> str:
        """`2 %`, or `the last step`."""
        return "the last step" if self.point == budgets.END else budgets.text(self.point)

    @property
    def reasons(self) -> list[str]:
        """What follows the first sentence."""
        return [part for part in (self.removed, self.controls, self.sure, self.left_out) if part]


def verdicts(results: pd.DataFrame, bar: Bar | None = None) -> list[Verdict]:
    """A verdict for each point, the smallest budget first; empty where nothing was attacked and measured.

    `results` is the tidy frame; `bar` says when a backdoor counts as removed, else its defaults do.
    """
    ranking, removed = overall(results), removal(results, bar or Bar())
    contests = [contest(results, point) for point in points(results)]
    return [
        _verdict(contest, ranking[ranking["point"] == contest.point], removed[removed["point"] == contest.point])
        for contest in contests
        if contest.methods
    ]


def _verdict(contest: Contest, ranking: pd.DataFrame, removed: pd.DataFrame) -> Verdict:
    tests = statistics.test(contest)
    absent = [f"{method} ({count})" for method, count in contest.absent.items()]
    left_out = f"Not ranked here, since they were seldom measured: {_some(absent)}." if absent else ""
    if contest.weak:
        weak = f"The ranking leaves out BadNets with an ASR under {100 * WEAK:g}{NO_BREAK}%: {_some(contest.weak)}."
        left_out = f"{left_out} {weak}".strip()
    if ranking.empty:
        leaders, place, sure, controls = "No method", "ranks first: no attack and seed is common to all", "", ""
    else:
        first = ranking[ranking["rank"] == 1]
        leaders, place = _leaders(first), _place(first, ranking)
        pruning = ranking.loc[~ranking["control"], "method"]
        best = "" if pruning.empty else str(pruning.iloc[0])
        sure, controls = _sure(best, contest, tests), _against_controls(best, contest, tests)
    return Verdict(contest.point, leaders, place, sure, controls, _removed(removed), left_out, tests, ranking)


def _leaders(first: pd.DataFrame) -> str:
    names = _some(list(first["method"]))
    return f"{names}, a control," if len(first) == 1 and first["control"].all() else names


def _place(first: pd.DataFrame, ranking: pd.DataFrame) -> str:
    place = f"ranks first of {len(ranking)}" if len(first) == 1 else f"tie for first of {len(ranking)}"
    best = first.iloc[0]
    vain = "; no better than leaving the network as it is" if round(best[SCORE], TIED) <= 0.5 else ""
    return f"{place}: ASR {_rate(best, ASR)}, clean accuracy {_rate(best, ACCURACY)}{vain}"


def _rate(row: pd.Series[float], rate: str) -> str:
    """As `12.3 % [3.1, 21.4], untouched 99.9 %`."""
    name = column(GOODNET, rate)
    mean, low, high, before = (100 * row[key] for key in (name, f"{name}_low", f"{name}_high", column(BADNET, rate)))
    bounds = "" if pd.isna(low) else f" [{low:.1f},{NO_BREAK}{high:.1f}]"
    return f"{mean:.1f}{NO_BREAK}%{bounds} (untouched {before:.1f}{NO_BREAK}%)"


def _sure(best: str, contest: Contest, tests: statistics.Tests) -> str:
    """How `best`, of those that are no control, does against the others that are none; or why nothing can be told."""
    blocks = f"{tests.blocks} block{'s' if tests.blocks != 1 else ''} of attack and seed"
    if not tests.enough:
        methods = f"among {len(tests.ranks)} methods no difference, however large, shows in fewer than {tests.needed}"
        return f"Can’t tell from {blocks}: {methods}."
    others = [method for method in contest.methods if method != best and method not in contest.controls]
    better, alike, worse = _compared(best, others, tests)
    parts = [
        f"better than {_some(better)}" if better else "",
        f"not told apart from {_some(alike)}" if alike else "",
        f"worse than {_some(worse)}" if worse else "",
    ]
    told = "; ".join(part for part in parts if part)
    return f"From {blocks}, {best} is {told}." if told else ""


def _against_controls(best: str, contest: Contest, tests: statistics.Tests) -> str:
    """Whether `best`, of those that are no control, beats each control: only then did its pruning do something."""
    if not best:
        return "Only controls were run."
    if not tests.enough:
        return ""
    better, alike, worse = _compared(best, contest.controls, tests)
    parts = [
        f"better than {_some(better)}" if better else "",
        f"no better than {_some(alike)}, as far as can be told" if alike else "",
        f"worse than {_some(worse)}" if worse else "",
    ]
    vain = "" if not alike and not worse else "; what it prunes is not shown to help"
    return f"Against the controls, {best} is {'; '.join(part for part in parts if part)}{vain}."


def _compared(method: str, others: Sequence[str], tests: statistics.Tests) -> tuple[list[str], list[str], list[str]]:
    """Those of `others` that `method` is better than, cannot be told from, and is worse than, each with its p-value."""
    better: list[str] = []
    alike: list[str] = []
    worse: list[str] = []
    for pair in tests.pairs.to_dict("records"):
        (other,) = {pair["first"], pair["second"]} - {method} if method in (pair["first"], pair["second"]) else ("",)
        if other in others:
            kind = alike if not pair["differ"] else better if pair["first"] == method else worse
            kind.append(f"{other} (p = {pair['p_holm']:.2g})")
    return better, alike, worse


def _removed(table: pd.DataFrame) -> str:
    """As `Removed under patch by a and b; under blend by no method.`, oracles left out."""
    rows = table[~table["oracle"]]
    by = {
        f"{attack}{_weakness(part)}": tuple(part.loc[part["removed"], "method"])
        for attack, part in rows.groupby("attack", sort=False)
    }
    if not any(by.values()):
        return f"No method removes the backdoor under {_some(list(by))}."
    groups = groupby(sorted(by, key=lambda attack: (not by[attack], by[attack])), key=by.__getitem__)
    parts = [f"under {_some(list(attacks))} by {_some(methods) or 'no method'}" for methods, attacks in groups]
    return f"Removed {'; '.join(parts)}."


def _weakness(rows: pd.DataFrame) -> str:
    return f" (weak: ASR {100 * rows[BEFORE].mean():.0f}{NO_BREAK}% before)" if rows["weak"].all() else ""


def _some(names: Sequence[str]) -> str:
    """As `a, b and c`, or `a, b, c and 5 more`; empty for none."""
    shown, more = list(names[:MOST]), len(names) - MOST
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(part for part in (", ".join(shown[:-1]), *shown[-1:]) if part)
