"""A comparison as a run in the log: its verdicts as the description, its headline as metrics, its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from fineprune import names
from fineprune.comparison.contents import Comparison
from fineprune.comparison.verdict import Verdict
from fineprune.errors import markdown
from fineprune.report.records import Record, now


def record(
    comparison: Comparison, started: int, params: Mapping[str, str], tags: Mapping[str, str], files: Sequence[Path]
) -> Record:
    """What is logged of `comparison`, begun at `started`: `params` are its settings, `tags` say where it was made."""
    verdicts = comparison.answers
    metrics = {"runs_compared": float(len(comparison.runs))}
    for verdict in verdicts:
        metrics |= _of_the_winner(verdict)
    winners = {f"winner_at_{verdict.point}": ", ".join(_first(verdict)) for verdict in verdicts}
    return Record(
        uuid4().hex,
        f"comparison · {', '.join(comparison.counts[:2])}",
        started,
        params,
        {**tags, **winners, names.COMPARISON: "true"},
        ended=now(),
        note="\n\n".join(_described(verdict) for verdict in verdicts),
        metrics=metrics,
        files=[file.name for file in files],
    )


def _first(verdict: Verdict) -> list[str]:
    ranking = verdict.ranking
    return [str(method) for method in ranking.loc[ranking["rank"] == 1, "method"]] if len(ranking) else []


def _of_the_winner(verdict: Verdict) -> dict[str, float]:
    """Mean rates of the method that stands first, as `der_at_2_percent`; none where none is ranked."""
    return {
        names.headline(rate, verdict.point): float(best[names.column(names.GOODNET, rate)])
        for best in verdict.ranking.head(1).to_dict("records")
        for rate in (names.DER, names.ASR, names.ACCURACY)
    }


def _described(verdict: Verdict) -> str:
    return markdown(" ".join([f"**At {verdict.name} {verdict.leaders} {verdict.place}.**", *verdict.reasons]))
