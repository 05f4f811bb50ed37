"""The answer in a sentence or two for each budget, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from fineprune import budgets
from fineprune.comparison import statistics
from fineprune.comparison.ranking import END, SCORE, TIED, Contest, contest, overall, points

HELD = "\N{NO-BREAK SPACE}"
MOST = 4


@dataclass(frozen=True)
class Verdict:
    """What is known at one point, in words.

    `leaders` are the methods that rank first, `place` says of how many and with which rates, `sure` how sure that is,
    `absent` who got there too seldom to be ranked.
    """

    point: str
    leaders: str
    place: str
    sure: str
    absent: str
    tests: statistics.Tests
    ranking: pd.DataFrame

    @property
    def name(self) -> str:
        """`2 %`, or `the last step`."""
        return "the last step" if self.point == END else budgets.text(self.point)


def verdicts(results: pd.DataFrame) -> list[Verdict]:
    """A verdict for each point, the smallest budget first; empty where nothing was attacked and measured."""
    ranking = overall(results)
    contests = [contest(results, point) for point in points(results)]
    return [_verdict(found, ranking[ranking["point"] == found.point]) for found in contests if found.methods]


def _verdict(found: Contest, ranking: pd.DataFrame) -> Verdict:
    tests = statistics.test(found)
    if ranking.empty:
        return Verdict(
            found.point, "No method", "ranks first: no attack and seed is common to all", "", "", tests, ranking
        )
    seldom = [f"{method} ({count})" for method, count in found.absent.items() if found.point != END]
    absent = f"Not ranked here, since they seldom got this far: {_some(seldom)}." if seldom else ""
    first = ranking[ranking["rank"] == 1]
    return Verdict(
        found.point, _some(list(first["method"])), _place(first, ranking), _sure(tests), absent, tests, ranking
    )


def _place(first: pd.DataFrame, ranking: pd.DataFrame) -> str:
    place = f"ranks first of {len(ranking)}" if len(first) == 1 else f"tie for first of {len(ranking)}"
    place = place if len(ranking) > 1 else "is the only method"
    best = first.iloc[0]
    vain = "; no better than leaving the network as it is" if round(best[SCORE], TIED) <= 0.5 else ""
    return f"{place}: ASR {_rate(best, 'asr')}, clean accuracy {_rate(best, 'accuracy')}{vain}"


def _rate(row: pd.Series[float], rate: str) -> str:
    """As `12.3 % [3.1, 21.4], untouched 99.9 %`."""
    mean, low, high, before = (
        100 * row[name] for name in (f"goodnet_{rate}", f"goodnet_{rate}_low", f"goodnet_{rate}_high", f"badnet_{rate}")
    )
    bounds = "" if pd.isna(low) else f" [{low:.1f},{HELD}{high:.1f}]"
    return f"{mean:.1f}{HELD}%{bounds} (untouched {before:.1f}{HELD}%)"


def _sure(tests: statistics.Tests) -> str:
    if tests.pairs.empty:
        return ""
    blocks = f"{tests.blocks} block{'s' if tests.blocks != 1 else ''} of attack and seed"
    if not tests.enough:
        methods = f"among {len(tests.ranks)} methods no difference, however large, shows in fewer than {tests.needed}"
        return f"Can’t tell from {blocks}: {methods}."
    pairs = tests.pairs[tests.pairs["first"] == tests.pairs["first"].iloc[0]]
    beaten, alike = (
        [f"{pair['second']} (p = {pair['p_holm']:.2g})" for pair in pairs[which].to_dict("records")]
        for which in (pairs["differ"], ~pairs["differ"])
    )
    parts = [
        f"better than {_some(beaten)}" if beaten else "",
        f"difference to {_some(alike)}: can’t tell" if alike else "",
    ]
    return f"From {blocks}: {'; '.join(part for part in parts if part)}."


def _some(names: list[str]) -> str:
    """As `a, b and c`, or `a, b, c and 5 more`."""
    shown, more = names[:MOST], len(names) - MOST
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(part for part in (", ".join(shown[:-1]), shown[-1]) if part)
