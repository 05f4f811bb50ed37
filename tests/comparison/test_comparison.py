"""Runs side by side: the tidy frame, and means, intervals and ranks worked by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sweeps import STEPS, grid, sweep

from fineprune.comparison import areas, figures, ranking
from fineprune.comparison.frame import distinguish, tidy
from fineprune.comparison.verdict import verdicts
from fineprune.errors import FinepruneError
from fineprune.tracking.read import FinishedSweep


def rows(runs: list[FinishedSweep]) -> pd.DataFrame:
    """What was run, without the untouched BadNet that stands beside it."""
    results = tidy(runs)
    return results[results["method"] != "untouched"]


def test_a_row_for_each_point_and_trigger() -> None:
    table = rows([sweep(points=("2_percent", "4_percent"), triggers={"hat": 0.2, "scarf": 0.6})])
    assert table[["point", "trigger", "goodnet_asr"]].to_numpy().tolist() == [
        ["2_percent", "hat", 0.2],
        ["2_percent", "scarf", 0.6],
        ["4_percent", "hat", 0.2],
        ["4_percent", "scarf", 0.6],
    ]
    assert table["budget"].tolist() == [0.02, 0.02, 0.04, 0.04]
    assert set(table["method"]) == {"ours"}


def test_fine_tuning_is_a_method_of_its_own() -> None:
    table = rows([sweep(finetune="clean")]).set_index("method")
    assert table["goodnet_asr"].to_dict() == {"ours": 0.4, "ours + fine-tuning": 0.2}
    assert table["seconds"].to_dict() == {"ours": 2, "ours + fine-tuning": 6}


def test_a_run_that_only_prunes_is_preferred_to_the_pruned_net_of_one_that_fine_tunes() -> None:
    runs = [sweep(finetune="clean", asr=0.8), sweep(asr=0.4)]
    table = rows(runs).set_index("method")["goodnet_asr"]
    assert table.to_dict() == {"ours": 0.4, "ours + fine-tuning": 0.4}


def test_of_a_run_repeated_the_latest_counts() -> None:
    assert rows([sweep(asr=0.1), sweep(asr=0.9)])["goodnet_asr"].tolist() == [0.1]


def test_settings_that_differ_are_told_by_name() -> None:
    table = rows([sweep(params={"strategy.chunk": "5"}), sweep(), sweep("other", params={"strategy.chunk": "9"})])
    assert set(table["method"]) == {"ours (strategy.chunk=5)", "ours (strategy.chunk=1)", "other"}
    table = tidy([sweep(params={"attack.size": "8"}), sweep()])
    assert set(table["attack"]) == {"patch (attack.size=8)", "patch (attack.size=4)"}


def test_seeds_and_caches_tell_nothing_apart() -> None:
    table = tidy(
        [sweep(seed=seed, params={"data.seed": str(seed), "badnet.cache": cache}) for seed, cache in enumerate("ab")]
    )
    assert set(table["attack"]) == {"patch"}


def test_a_draw_repeated_on_one_network_is_a_method_of_its_own() -> None:
    table = tidy([sweep("random", asr=asr, params={"strategy.seed": str(seed)}) for seed, asr in enumerate((0.4, 0.6))])
    assert set(table["method"]) == {"random (strategy.seed=seed)", "random (strategy.seed=1)", "untouched"}


@pytest.mark.parametrize("text", ["", "2 %", "[0.02", "{}", "[NaN]", "[[0.02]]", "[5]"])
def test_budgets_that_no_sweep_logs_are_refused(text: str) -> None:
    with pytest.raises(FinepruneError, match="expected a finished sweep to have logged budgets such as"):
        tidy([sweep(params={"budgets": text})])


def test_names_say_no_more_than_needed() -> None:
    settings = pd.DataFrame({"data": ["faces", "signs", None], "classes": ["9", "43", "9"], "same": "x"})
    assert distinguish(pd.Series(["a", "a", "b"]), settings).tolist() == ["a (data=faces)", "a (data=signs)", "b"]


def test_networks_from_files_go_by_their_own_name() -> None:
    assert rows([sweep(attack="given", tags={"badnet": "csaw_lab"})])["attack"].tolist() == ["csaw_lab"]


def test_cost_in_passes_is_the_strategy_s_and_where_nets_are_fine_tuned_that_too() -> None:
    run = sweep(finetune="clean")
    assert np.isnan(rows([run])["forward_passes"]).all()
    counted = {"forward_passes/strategy": 1.0, "forward_passes/finetuning": 7.0, "backward_passes/finetuning": 6.5}
    run.metrics.update({"backward_passes/strategy": 0.0} | counted)  # type: ignore[attr-defined]
    costs = rows([run]).set_index("method")
    assert costs["forward_passes"].to_dict() == {"ours": 1, "ours + fine-tuning": 8}
    assert costs["backward_passes"].to_dict() == {"ours": 0, "ours + fine-tuning": 6.5}


def test_an_attack_with_several_triggers_is_one_block() -> None:
    blocks = ranking.blocks(rows([sweep(triggers={"hat": 0.2, "scarf": 0.6})]))
    assert blocks["goodnet_asr"].tolist() == pytest.approx([0.4])


def test_an_interval_by_hand() -> None:
    # 0.4, 0.5, 0.6: mean 0.5, standard deviation 0.1, t(0.975, 2) = 4.3027 as tables have it: 0.5 ± 0.43027 / √3
    blocks = ranking.blocks(rows([sweep(seed=seed, asr=asr) for seed, asr in enumerate([0.4, 0.5, 0.6])]))
    (row,) = ranking.means(blocks, ["method"]).to_dict("records")
    interval = [row[f"goodnet_asr{end}"] for end in ("", "_low", "_high")]
    assert interval == pytest.approx([0.5, 0.5 - 0.24842, 0.5 + 0.24842], abs=1e-5)
    (row,) = ranking.means(blocks[:1], ["method"]).to_dict("records")
    assert (row["seeds"], row["goodnet_asr"]) == (1, 0.4)
    assert np.isnan([row["goodnet_asr_low"], row["goodnet_asr_high"]]).all()


def test_intervals_are_over_seeds_and_stay_where_rates_are() -> None:
    runs = [sweep(seed=seed, asr=asr, attack=attack) for attack in "ab" for seed, asr in enumerate([0.0, 0.5])]
    (row,) = ranking.means(ranking.blocks(rows(runs)), ["method"]).to_dict("records")
    assert (row["seeds"], row["goodnet_asr"]) == (2, 0.25)
    assert (row["goodnet_asr_low"], row["goodnet_asr_high"]) == (0, 1)


def test_ranks_go_by_the_goodnets_der_and_ties_share_one() -> None:
    runs = grid({"best": [0.1, 0.1], "also": [0.10001, 0.1], "worst": [0.8, 0.8]})
    table = ranking.overall(tidy(runs))
    assert table[["method", "rank"]].to_numpy().tolist() == [["also", 1], ["best", 1], ["worst", 3], ["untouched", 4]]
    assert table["goodnet_der"].tolist() == pytest.approx([0.9, 0.9, 0.55, 0.5], abs=1e-4)
    assert set(table["blocks"]) == {2}


def test_only_blocks_that_every_method_has_are_compared() -> None:
    runs = [*grid({"ours": [0.1, 0.2, 0.3]}), *grid({"theirs": [0.4, 0.5]})]
    contest = ranking.contest(tidy(runs), "2_percent")
    assert (contest.count, contest.methods) == (2, ["ours", "theirs", "untouched"])
    assert ranking.overall(tidy(runs))["goodnet_asr"].tolist() == pytest.approx([0.15, 0.45, 1])
    by_attack = ranking.per_attack(tidy(runs))
    assert by_attack["goodnet_asr"].tolist() == pytest.approx([0.2, 0.45, 1])


def test_all_budgets_average_the_same_blocks_whichever_were_reached() -> None:
    """A backdoor whose budget is never reached stays in the mean: it must not look removed where it was left out."""
    budgets = ("4_percent", "10_percent")
    runs = [
        sweep(attack=attack, seed=seed, asr=asr, points=budgets)
        for attack, asr in (("a", 0.9), ("b", 0.1))
        for seed in range(2)
    ]
    for run in runs:
        run.metrics["at_10_percent/reached"] = float(run.tags["attack"] == "b")  # type: ignore[index]
    results = tidy(runs)
    blocks = {point: ranking.contest(results, point).blocks for point in budgets}
    pairs = {point: set(map(tuple, rows[["method", "attack", "seed"]].to_numpy())) for point, rows in blocks.items()}
    assert pairs["4_percent"] == pairs["10_percent"] and len(pairs["4_percent"]) == 8
    table = ranking.overall(results).set_index(["point", "method"])
    assert table.loc[("10_percent", "ours"), ["goodnet_asr", "reached"]].tolist() == [0.5, 0.5]
    assert table.loc[("4_percent", "ours"), "goodnet_asr"] == 0.5


def test_a_method_that_was_seldom_measured_is_not_ranked() -> None:
    runs = [sweep(seed=seed) for seed in range(3)] + [sweep("other", seed=1)]
    contest = ranking.contest(tidy(runs), "2_percent")
    assert contest.absent == {"other": "1 of 3 blocks"}
    assert (contest.count, contest.methods) == (3, ["ours", "untouched"])


def weakened(run: FinishedSweep) -> FinishedSweep:
    """The same on a BadNet that the attack hardly works on."""
    return replace(run, metrics=run.metrics | {"badnet/patch/asr": 0.8})


def test_a_badnet_that_hardly_has_a_backdoor_is_left_out_of_the_ranking() -> None:
    runs = [sweep(name, seed) for name in ("ours", "other") for seed in range(3)]
    weak = [weakened(run) if run.params["seed"] == "1" else run for run in runs]
    contest = ranking.contest(tidy(weak), "2_percent")
    assert (contest.count, contest.weak) == (2, ["patch, seed 1"])
    (verdict,) = verdicts(tidy(weak))
    assert "leaves out BadNets with an ASR under 90\N{NO-BREAK SPACE}%: patch, seed 1." in verdict.left_out
    every = ranking.contest(tidy([weakened(run) for run in runs]), "2_percent")
    assert (every.count, every.weak) == (3, [])  # with no others, it is these that are asked about


def test_the_untouched_badnet_stands_at_every_budget_and_under_every_attack() -> None:
    """It changes nothing: no price, nothing rejected, a DER of a half."""
    results = tidy(
        [
            sweep(points=("2_percent", "4_percent"), triggers={"hat": 0.2, "scarf": 0.6}),
            sweep(attack="clean", triggers={}),
        ]
    )
    untouched = results[results["method"] == "untouched"]
    assert len(untouched) == 5
    assert untouched["control"].all()
    attacked = untouched[untouched["trigger"] != ""]
    assert (attacked[["goodnet_accuracy", "pruned_accuracy", "goodnet_asr", "pruned_asr"]] == 1).all(axis=None)
    assert (attacked[["goodnet_der", "pruned_der"]] == 0.5).all(axis=None)
    assert (attacked[["price", "fraction_pruned", "goodnet_detection_rate", "seconds"]] == 0).all(axis=None)
    assert untouched.loc[untouched["trigger"] == "", "goodnet_der"].isna().all()


def test_without_clean_test_images_nothing_is_ranked_not_even_the_untouched_badnet() -> None:
    run = sweep()
    for name in [name for name in run.metrics if "clean_test" in name or name.endswith("der")]:
        del run.metrics[name]  # type: ignore[attr-defined]
    results = tidy([run])
    assert results["goodnet_der"].isna().all()
    assert not ranking.contest(results, "2_percent").methods


def test_a_run_that_prunes_nothing_is_the_untouched_badnet() -> None:
    results = tidy([sweep("none", finetune="clean", tags={"control": "true"}), sweep()])
    assert set(results["method"]) == {"untouched", "none + fine-tuning", "ours"}
    assert results.groupby("method")["control"].all().to_dict() == {
        "untouched": True,
        "none + fine-tuning": True,
        "ours": False,
    }
    assert not results.duplicated(["method", "attack", "seed", "point", "trigger"]).any()


def test_regret_by_hand() -> None:
    """At the budget accuracy is 0.9 and ASR 0.7; among the steps of no less accuracy the smallest ASR is 0.4."""
    runs = [sweep(asr=0.7, accuracy=0.9), sweep(seed=1, asr=0.7, accuracy=0.2), sweep(seed=2, asr=0.7, accuracy=0.95)]
    assert rows(runs)["regret"].tolist() == pytest.approx([0.7 - 0.4, 0.7 - 0.0, 0.0])


def test_budgets_come_in_order_and_the_last_step_last() -> None:
    runs = [sweep(points=("10_percent", "2_percent")), sweep("b", points=("4_percent", "2.5_percent"))]
    runs.append(sweep("c", points=("end",)))
    assert ranking.points(tidy(runs)) == ["2_percent", "2.5_percent", "4_percent", "10_percent", "end"]


def test_oracles_stand_apart() -> None:
    runs = [sweep(), sweep("cheat", asr=0.0, tags={"oracle": "true"})]
    results = tidy(runs)
    assert list(figures.steps_by_method(results, runs, "patch", "fraction_pruned")) == ["ours"]
    assert (
        set(ranking.overall(results)["method"]) == set(ranking.per_attack(results)["method"]) == {"ours", "untouched"}
    )
    assert ranking.oracles(results)["method"].tolist() == ["cheat"]


def test_what_is_not_applicable_stands_apart_with_its_reason() -> None:
    reason = "expected a dense layer, got none"
    results = rows([sweep(), sweep("dense", points=(), tags={"not_applicable": reason})])
    assert set(ranking.per_attack(results)["method"]) == {"ours"}
    (row,) = ranking.not_applicable(results).to_dict("records")
    assert row == {"method": "dense", "attack": "patch", "not_applicable": reason, "seeds": 1}


def test_networks_without_a_backdoor_tell_of_cost_only() -> None:
    results = rows([sweep(), sweep(attack="clean", triggers={}, accuracy=0.7)])
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
    (row,) = areas.areas([run], rows([run])).to_dict("records")
    assert row["goodnet_area"] == pytest.approx(1)  # the fall of 0.1 is reached at the very end
    assert areas.area(
        *(steps[name].to_numpy() for name in ("clean_test/goodnet_accuracy", "hat/goodnet_asr")), 0.2
    ) == (pytest.approx((1 * 0.1 + 0.4 * 0.1) / 0.2))


def test_the_pareto_front_by_hand() -> None:
    accuracy = pd.Series([0.9, 0.8, 0.85, 0.7, 0.9, np.nan])
    asr = pd.Series([0.6, 0.2, 0.7, 0.2, 0.8, 0.0])
    assert figures.pareto(accuracy, asr).to_numpy().tolist() == [[0.9, 0.6], [0.8, 0.2]]
