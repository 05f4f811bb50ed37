"""What MLflow keeps of a comparison."""

import re
from pathlib import Path

import pytest
from sweeps import grid, sweep

from fineprune.comparison import Comparison
from fineprune.comparison.output import log_record
from fineprune.report.records import Record


def logged(comparison: Comparison) -> Record:
    files = [Path("out/ranking.csv"), Path("out/report.html")]
    return log_record.record(comparison, 1_000, {"tracking.experiment": "trial"}, {"commit": "abc"}, files)


def test_it_has_the_rates_of_the_winner_at_each_budget_and_how_many_runs_were_compared() -> None:
    runs = grid({"ours": [0.2, 0.4], "theirs": [0.6, 0.6]}, points=["2_percent", "10_percent"])
    record = logged(Comparison(runs, "trial"))
    assert record.name == "comparison · 4 runs, 3 methods"
    # From an ASR of 1 to 0.3 and an accuracy of 1 to 0.9: (0.7 − 0.1 + 1) / 2.
    at = {"der": 0.8, "asr": 0.3, "accuracy": 0.9}
    rates = {f"{rate}_at_{point}_percent": value for rate, value in at.items() for point in (2, 10)}
    assert record.metrics == pytest.approx(rates | {"runs_compared": 4})
    assert record.tags["winner_at_2_percent"] == record.tags["winner_at_10_percent"] == "ours"
    assert record.tags.items() >= {"comparison": "true", "commit": "abc"}.items()
    assert record.files == ["ranking.csv", "report.html"]
    assert re.match(
        r"\*\*At 2 % ours ranks first of 3: .*\.\*\* No method .*\n\n\*\*At 10 % ours ", record.note, re.DOTALL
    )
    assert 1_000 == record.started < record.ended


def test_two_comparisons_of_the_same_runs_are_two_runs() -> None:
    comparison = Comparison(grid({"ours": [0.2]}), "trial")
    assert logged(comparison).key != logged(comparison).key


def test_where_nothing_is_ranked_it_says_what_was_compared_alone() -> None:
    record = logged(Comparison([sweep(triggers={})], "trial"))
    assert record.metrics == {"runs_compared": 1}
    assert record.note == ""
