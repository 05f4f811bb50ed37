"""Runs side by side: the tidy frame, and means, intervals and ranks worked by hand."""

import numpy as np
import pandas as pd
import pytest
from sweeps import STEPS, grid, sweep

from fineprune.comparison import areas, figures, ranking
from fineprune.comparison.frame import tidy
from fineprune.comparison.naming import told_apart


def test_a_row_for_each_point_and_trigger() -> None:
    found = tidy([sweep(points=("2_percent", "end"), triggers={"hat": 0.2, "scarf": 0.6})])
    assert found[["point", "trigger", "goodnet_asr"]].to_numpy().tolist() == [
        ["2_percent", "hat", 0.2],
        ["2_percent", "scarf", 0.6],
        ["end", "hat", 0.2],
        ["end", "scarf", 0.6],
    ]
    assert set(found["method"]) == {"ours"}


def test_fine_tuning_is_a_method_of_its_own() -> None:
    found = tidy([sweep(finetune="clean")]).set_index("method")
    assert found["goodnet_asr"].to_dict() == {"ours": 0.4, "ours + fine-tuning": 0.2}
    assert found["seconds"].to_dict() == {"ours": 2, "ours + fine-tuning": 6}


def test_a_run_that_only_prunes_is_preferred_to_the_pruned_net_of_one_that_fine_tunes() -> None:
    runs = [sweep(finetune="clean", asr=0.8), sweep(asr=0.4)]
    found = tidy(runs).set_index("method")["goodnet_asr"]
    assert found.to_dict() == {"ours": 0.4, "ours + fine-tuning": 0.4}


def test_of_a_run_repeated_the_latest_counts() -> None:
    assert tidy([sweep(asr=0.1), sweep(asr=0.9)])["goodnet_asr"].tolist() == [0.1]


def test_settings_that_differ_are_told_by_name() -> None:
    found = tidy([sweep(params={"strategy.chunk": "5"}), sweep(), sweep("other", params={"strategy.chunk": "9"})])
    assert set(found["method"]) == {"ours (strategy.chunk=5)", "ours (strategy.chunk=1)", "other"}
    found = tidy([sweep(params={"attack.size": "8"}), sweep()])
    assert set(found["attack"]) == {"patch (attack.size=8)", "patch (attack.size=4)"}


def test_seeds_and_caches_tell_nothing_apart() -> None:
    found = tidy([sweep(seed=0, params={"data.seed": "0", "badnet.cache": "a"}), sweep(seed=1)])
    assert set(found["attack"]) == {"patch"}


def test_names_say_no_more_than_needed() -> None:
    settings = pd.DataFrame({"data": ["faces", "signs", None], "classes": ["9", "43", "9"], "same": "x"})
    assert told_apart(pd.Series(["a", "a", "b"]), settings).tolist() == ["a (data=faces)", "a (data=signs)", "b"]


def test_networks_from_files_go_by_their_own_name() -> None:
    assert tidy([sweep(attack="given", tags={"badnet": "csaw_lab"})])["attack"].tolist() == ["csaw_lab"]


def test_cost_in_forward_passes() -> None:
    run = sweep()
    assert np.isnan(tidy([run])["forward_passes"].item())
    run.metrics["seconds/forward"] = 0.5  # type: ignore[index]
    assert tidy([run])["forward_passes"].item() == 4


def test_an_attack_with_several_triggers_is_one_block() -> None:
    blocks = ranking.blocks(tidy([sweep(triggers={"hat": 0.2, "scarf": 0.6})]))
    assert blocks["goodnet_asr"].tolist() == pytest.approx([0.4])


def test_an_interval_by_hand() -> None:
    # 0.4, 0.5, 0.6: mean 0.5, standard deviation 0.1, t(0.975, 2) = 4.3027 as tables have it: 0.5 ± 0.43027 / √3
    rows = ranking.blocks(tidy([sweep(seed=seed, asr=asr) for seed, asr in enumerate([0.4, 0.5, 0.6])]))
    (row,) = ranking.means(rows, ["method"]).to_dict("records")
    found = [row[f"goodnet_asr{end}"] for end in ("", "_low", "_high")]
    assert found == pytest.approx([0.5, 0.5 - 0.24842, 0.5 + 0.24842], abs=1e-5)
    (row,) = ranking.means(rows[:1], ["method"]).to_dict("records")
    assert (row["seeds"], row["goodnet_asr"]) == (1, 0.4)
    assert np.isnan([row["goodnet_asr_low"], row["goodnet_asr_high"]]).all()


def test_intervals_are_over_seeds_and_stay_where_rates_are() -> None:
    runs = [sweep(seed=seed, asr=asr, attack=attack) for attack in "ab" for seed, asr in enumerate([0.0, 0.5])]
    (row,) = ranking.means(ranking.blocks(tidy(runs)), ["method"]).to_dict("records")
    assert (row["seeds"], row["goodnet_asr"]) == (2, 0.25)
    assert (row["goodnet_asr_low"], row["goodnet_asr_high"]) == (0, 1)


def test_ranks_go_by_the_goodnets_der_and_ties_share_one() -> None:
    runs = grid({"best": [0.1, 0.1], "also": [0.10001, 0.1], "worst": [0.9, 0.9]})
    table = ranking.overall(tidy(runs))
    assert table[["method", "rank"]].to_numpy().tolist() == [["also", 1], ["best", 1], ["worst", 3]]
    assert table["goodnet_der"].tolist() == pytest.approx([0.9, 0.9, 0.5], abs=1e-4)
    assert set(table["blocks"]) == {2}


def test_only_blocks_that_every_method_has_are_compared() -> None:
    runs = [*grid({"ours": [0.1, 0.2, 0.3]}), *grid({"theirs": [0.4, 0.5]})]
    found = ranking.contest(tidy(runs), "2_percent")
    assert (found.count, found.methods) == (2, ["ours", "theirs"])
    assert ranking.overall(tidy(runs))["goodnet_asr"].tolist() == pytest.approx([0.15, 0.45])
    by_attack = ranking.per_attack(tidy(runs))
    assert by_attack["goodnet_asr"].tolist() == pytest.approx([0.2, 0.45])


def test_a_budget_that_was_not_reached_has_no_row_and_the_seeds_that_reached_it_are_counted() -> None:
    runs = [sweep(seed=0), sweep(seed=1), sweep(seed=2, points=("end",)), sweep("other", points=("end",))]
    table = ranking.per_attack(tidy(runs)).set_index(["point", "method"])
    assert table.loc[("2_percent", "ours"), ["seeds", "of"]].tolist() == [2, 3]
    assert table.loc[("end", "ours"), ["seeds", "of"]].tolist() == [1, 3]
    assert ("2_percent", "other") not in table.index
    assert ranking.contest(tidy(runs), "2_percent").absent == {"other": "0 of 1 blocks"}


def test_budgets_come_in_order_and_the_last_step_last() -> None:
    runs = [sweep(points=("10_percent", "2_percent", "end")), sweep("b", points=("4_percent", "2.5_percent"))]
    assert ranking.points(tidy(runs)) == ["2_percent", "2.5_percent", "4_percent", "10_percent", "end"]


def test_oracles_stand_apart() -> None:
    runs = [sweep(), sweep("cheat", asr=0.0, tags={"oracle": "true"})]
    results = tidy(runs)
    assert list(figures.swept(results, runs, "patch")) == ["ours"]
    assert set(ranking.overall(results)["method"]) == set(ranking.per_attack(results)["method"]) == {"ours"}
    assert ranking.oracles(results)["method"].tolist() == ["cheat"]


def test_what_is_not_applicable_stands_apart_with_its_reason() -> None:
    reason = "expected a dense layer, got none"
    results = tidy([sweep(), sweep("dense", points=(), tags={"not_applicable": reason})])
    assert set(ranking.per_attack(results)["method"]) == {"ours"}
    (row,) = ranking.not_applicable(results).to_dict("records")
    assert row == {"method": "dense", "attack": "patch", "not_applicable": reason, "seeds": 1}


def test_networks_without_a_backdoor_tell_of_cost_only() -> None:
    results = tidy([sweep(), sweep(attack="clean", triggers={}, accuracy=0.7)])
    assert set(ranking.per_attack(results)["attack"]) == {"patch"}
    (row,) = ranking.unattacked(results).to_dict("records")
    assert (row["attack"], row["goodnet_accuracy"], row["goodnet_false_positive_rate"]) == ("clean", 0.7, 0.1)
    assert np.isnan(row["goodnet_asr"])


def test_an_area_by_hand() -> None:
    # Falls 0, 0.05, 0.08, 0.5: the smallest ASR is 1 from 0 to 0.05, 0.6 from 0.05 to 0.08, 0.2 from there to 0.1.
    accuracy, asr = np.array([0.9, 0.85, 0.82, 0.4]), np.array([1.0, 0.6, 0.2, 0.0])
    assert areas.area(accuracy, asr) == pytest.approx((1 * 0.05 + 0.6 * 0.03 + 0.2 * 0.02) / 0.1)


def test_an_area_counts_the_best_step_and_a_gain_as_no_fall() -> None:
    accuracy, asr = np.array([0.90, 0.95, 0.88, 0.86]), np.array([1.0, 0.5, 0.2, 0.7])
    assert areas.area(accuracy, asr) == pytest.approx((0.5 * 0.02 + 0.2 * 0.08) / 0.1)
    assert areas.area(np.array([0.9]), np.array([1.0])) == pytest.approx(1)


def test_areas_of_runs_average_their_triggers() -> None:
    steps = STEPS.rename(columns=lambda name: name.replace("patch", "hat"))
    steps = steps.assign(**{"scarf/goodnet_asr": [1.0, 0.2, 0.0], "scarf/pruned_asr": [1.0, 1.0, 1.0]})
    run = sweep(triggers={"hat": 0.4, "scarf": 0.2}, steps=steps)
    (row,) = areas.areas([run], tidy([run])).to_dict("records")
    assert row["goodnet_area"] == pytest.approx(1)  # the fall of 0.1 is reached at the very end
    assert areas.area(
        *(steps[name].to_numpy() for name in ("clean_test/goodnet_accuracy", "hat/goodnet_asr")), 0.2
    ) == (pytest.approx((1 * 0.1 + 0.4 * 0.1) / 0.2))


def test_the_pareto_front_by_hand() -> None:
    accuracy = pd.Series([0.9, 0.8, 0.85, 0.7, 0.9, np.nan])
    asr = pd.Series([0.6, 0.2, 0.7, 0.2, 0.8, 0.0])
    assert figures.pareto(accuracy, asr).to_numpy().tolist() == [[0.9, 0.6], [0.8, 0.2]]
