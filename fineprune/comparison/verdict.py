"""The answer in a sentence or two for each budget, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from fineprune import budgets
from fineprune.comparison import statistics
from fineprune.comparison.ranking import Contest, contest, overall, points


@dataclass(frozen=True)
class Verdict:
    """What is known at one point: `found` says who ranks first, `sure` how sure that is, `absent` who was not there."""

    point: str
    found: str
    sure: str
    absent: str
    contest: Contest
    tests: statistics.Tests
    ranking: pd.DataFrame


def verdicts(results: pd.DataFrame) -> list[Verdict]:
    """A verdict for each point, the smallest budget first; empty where nothing was attacked and measured."""
    ranking = overall(results)
    contests = [contest(results, point) for point in points(results)]
    return [_verdict(found, ranking[ranking["point"] == found.point]) for found in contests if found.methods]


def _verdict(found: Contest, ranking: pd.DataFrame) -> Verdict:
    tests = statistics.test(found)
    absent = "; ".join(f"{method}: {why}" for method, why in found.absent.items())
    absent = f"Not ranked here, too seldom reached: {absent}." if absent else ""
    return Verdict(found.point, _found(found, ranking), _sure(found, ranking, tests), absent, found, tests, ranking)


def _found(found: Contest, ranking: pd.DataFrame) -> str:
    where = "At the last step" if found.point == "end" else f"At {budgets.text(found.point)}"
    if ranking.empty:
        return f"{where} there is no attack and seed that all {len(found.methods)} methods have in common."
    first = ranking[ranking["rank"] == 1]
    names = " and ".join(first["method"])
    place = f"ranks first of {len(ranking)}" if len(first) == 1 else f"tie for first of {len(ranking)}"
    if len(ranking) == 1:
        place = "is the only method"
    best = first.iloc[0]
    asr, clean = (_rate(best, rate) for rate in ("asr", "accuracy"))
    vain = " That is no better than leaving the network as it is." if round(best["goodnet_der"], 3) <= 0.5 else ""
    return f"{where} {names} {place}: ASR {asr} at {clean} clean accuracy.{vain}"


def _rate(row: pd.Series[float], rate: str) -> str:
    """As `12.3 % [3.1, 21.4] (untouched 99.9 %)`."""
    mean, low, high, before = (
        100 * row[name] for name in (f"goodnet_{rate}", f"goodnet_{rate}_low", f"goodnet_{rate}_high", f"badnet_{rate}")
    )
    bounds = "" if pd.isna(low) else f" [{low:.1f}, {high:.1f}]"
    return f"{mean:.1f} %{bounds} (untouched {before:.1f} %)"


def _sure(found: Contest, ranking: pd.DataFrame, tests: statistics.Tests) -> str:
    if len(ranking) < 2:
        return ""
    blocks = f"{tests.blocks} block{'s' if tests.blocks != 1 else ''} of attack and seed"
    if not tests.enough:
        return (
            f"Can’t tell from {blocks}: among {len(ranking)} methods no difference, however large, shows in fewer than "
            f"{tests.needed}."
        )
    pairs = tests.pairs[(tests.pairs["first"] == tests.pairs["first"].iloc[0])]
    beaten, open_ = pairs[pairs["differ"]], pairs[~pairs["differ"]]
    parts = [
        f"better than {_list(beaten)}" if len(beaten) else "",
        f"difference to {_list(open_)}: can’t tell" if len(open_) else "",
    ]
    return f"From {blocks}: {'; '.join(part for part in parts if part)}."


def _list(pairs: pd.DataFrame) -> str:
    return ", ".join(f"{row['second']} (p = {row['p_holm']:.2g})" for row in pairs.to_dict("records"))
