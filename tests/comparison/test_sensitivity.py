"""How much a method depends on its settings: a case by hand, and the picture."""

import pytest
from sweeps import sweep

from fineprune.comparison import Comparison
from fineprune.comparison.sensitivity import sensitivity
from fineprune.tracking.read import FinishedSweep


def with_epsilon(epsilon: str, seed: int, asr: float) -> FinishedSweep:
    changed = "strategy.iterations" + (" strategy.epsilon" if epsilon != "0.4" else "")
    return sweep("anp", seed, asr, params={"strategy.epsilon": epsilon}, tags={"changed": changed})


RUNS = [
    *(
        with_epsilon(epsilon, seed, asr)
        for epsilon, asr in (("0.2", 0.9), ("0.4", 0.1), ("0.8", 0.3))
        for seed in (0, 1)
    ),
    *(sweep("ours", seed, 0.5) for seed in (0, 1)),
]


def test_each_setting_of_a_method_has_its_mean_and_the_default_is_known() -> None:
    table = sensitivity(Comparison(RUNS, "").results).set_index("method")
    assert set(table["plain"]) == {"anp"}  # what ran with one setting alone tells nothing
    # (fall of ASR − fall of accuracy, 0.1, + 1) / 2
    assert table["goodnet_der"].round(6).to_dict() == {
        "anp (strategy.epsilon=0.2)": 0.5,
        "anp (strategy.epsilon=0.8)": 0.8,
        "anp (strategy.epsilon=0.4)": 0.9,
    }
    assert table.index[table["default"]].tolist() == ["anp (strategy.epsilon=0.4)"]


def test_without_the_defaults_none_is_marked() -> None:
    assert not sensitivity(
        Comparison([run for run in RUNS if run.params.get("strategy.epsilon") != "0.4"], "").results
    )["default"].any()


def test_only_what_all_settings_were_run_on_is_compared() -> None:
    table = sensitivity(Comparison([*RUNS, with_epsilon("0.4", 2, 1.0)], "").results).set_index("method")
    assert table.loc["anp (strategy.epsilon=0.4)", "goodnet_der"] == pytest.approx(0.9)


def test_there_is_a_picture_at_each_budget_where_settings_vary() -> None:
    (picture,) = Comparison(RUNS, "").strips
    assert picture.name == "sensitivity_2_percent"
    assert "anp" in picture.svg and "ours" not in picture.svg
    assert not Comparison(RUNS[-2:], "").strips
