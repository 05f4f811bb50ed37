"""Runs side by side: from the metrics of each to averages over seeds."""

import pandas as pd
import pytest

from fineprune import comparison
from fineprune.errors import FinepruneError


def run(seed: int, clean: float, asr: float, settings: str = "a") -> dict[str, object]:
    tags = {
        "data": "faces",
        "badnet": "trained",
        "strategy": "l1",
        "finetune": "none",
        "seed": str(seed),
        "settings": settings,
    }
    badnet = {"badnet/clean_test/accuracy": 0.9, "badnet/patch/asr": 1.0}
    pruned = {"at_2_percent/clean_test/pruned_accuracy": clean, "at_2_percent/patch/pruned_asr": asr}
    return tags | badnet | pruned | {"at_2_percent/fraction_pruned": 0.5}


def test_averages_by_hand() -> None:
    tidy = comparison.tidy(pd.DataFrame([run(0, 0.8, 0.2), run(1, 0.6, 0.4)]))
    assert list(tidy["net"]) == ["B", "B′", "B", "B′"]
    found = comparison.averages(tidy).set_index("net").loc["B′"]
    assert found["seeds"] == 2
    assert found["clean_accuracy"] == pytest.approx(0.7)
    assert found["asr"] == pytest.approx(0.3)
    assert found["asr_sd"] == pytest.approx(0.2**0.5 * 0.1**0.5)


def test_a_run_that_did_not_reach_a_budget_is_not_counted_there() -> None:
    missing = {key: value for key, value in run(1, 0, 0).items() if not key.startswith("at_")}
    found = comparison.averages(comparison.tidy(pd.DataFrame([run(0, 0.8, 0.2), missing])))
    assert set(found["seeds"]) == {1}


def test_the_table_in_markdown() -> None:
    tidy = comparison.tidy(pd.DataFrame([run(0, 0.8, 0.2), run(1, 0.6, 0.4)]))
    head, _, line = comparison.markdown(comparison.averages(tidy)).splitlines()
    assert head == "| data | badnet | strategy | finetune | attack | point | seeds | B | B′ |"
    assert line == (
        "| faces | trained | l1 | none | patch | 2 % | 2 | 90.0 ± 0.0 / 100.0 ± 0.0 | 70.0 ± 14.1 / 30.0 ± 14.1 |"
    )


def test_nothing_to_compare() -> None:
    with pytest.raises(FinepruneError, match="expected finished sweeps in tracking.experiment, got none"):
        comparison.tidy(pd.DataFrame())


def test_a_run_repeated_counts_once_and_the_latest_does() -> None:
    found = comparison.averages(comparison.tidy(pd.DataFrame([run(0, 0.8, 0.2), run(0, 0.1, 0.9)])))
    assert list(found["clean_accuracy"]) == [0.9, 0.8]
    assert set(found["seeds"]) == {1}


def test_other_settings_are_another_line_and_told_apart() -> None:
    table = comparison.markdown(
        comparison.averages(comparison.tidy(pd.DataFrame([run(0, 0.8, 0.2), run(1, 0.6, 0.4, settings="b")])))
    )
    head, _, *lines = table.splitlines()
    assert "settings" in head
    assert len(lines) == 2


def test_runs_without_poisoned_images() -> None:
    runs = pd.DataFrame([{"seed": "0", "settings": "a", "badnet/clean_test/accuracy": 0.9}])
    with pytest.raises(FinepruneError, match="expected runs with clean_test and poisoned images"):
        comparison.tidy(runs)
