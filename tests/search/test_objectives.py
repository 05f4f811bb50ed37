"""What a trial is worth, worked by hand."""

import numpy as np
import pytest
import tf_keras as keras
from nets import tiny
from plans import data, swept

from fineprune.data.split import Data
from fineprune.search import objectives
from fineprune.search.objectives import asr, clean, price, unlearnt
from fineprune.sweeping.run import Sweep

RATES = {"clean_valid": ((), (0, 1, 2, 3, 4)), "clean_test": ((), ()), "glasses": ((), (0, 1, 2, 3, 4, 5))}


@pytest.fixture
def sweep(model: keras.Model) -> Sweep:
    """One step, at which 5 of 50 clean validation images and 6 of 12 poisoned ones are given another class."""
    given = data(model)
    return swept(given, RATES, [0.1])


def test_a_class_that_loses_probability_on_all_images_is_unlearnt() -> None:
    before = np.array([[0.4, 0.4, 0.2], [0.1, 0.1, 0.8]], np.float32)
    after = np.array([[0.1, 0.4, 0.2], [0.025, 0.1, 0.8]], np.float32)
    assert unlearnt(before, after) == pytest.approx(np.log(4), abs=1e-3)
    assert unlearnt(before, before) == 0


def test_classes_that_fall_alike_say_nothing() -> None:
    before = np.full((4, 3), 0.3, np.float32)
    assert unlearnt(before, before / 2) == pytest.approx(0, abs=1e-6)


def test_how_far_below_one_in_a_million_a_class_falls_says_nothing() -> None:
    before = np.full((2, 3), 1e-6, np.float32)
    after = before * np.array([1e-9, 1, 1], np.float32)
    assert unlearnt(before, after) == pytest.approx(np.log(2), abs=1e-3)


@pytest.mark.slow
def test_the_net_of_the_budget_is_judged(sweep: Sweep) -> None:
    images = np.concatenate([block for _, block in sweep.plan.data.splits["clean_valid"].blocks()])
    pruned = sweep.plan.network.pruned(sweep.plan.steps[0])
    expected = unlearnt(*(net.predict(images, verbose=0) for net in (sweep.plan.network.model, pruned)))
    assert expected > 0
    assert clean(sweep, "10_percent") == pytest.approx(expected, rel=1e-4)


def test_at_twice_the_budget_it_is_worth_half(model: keras.Model) -> None:
    values = {}
    for budget in (0.1, 0.05):
        values[budget] = clean(swept(data(model), RATES, [budget]), f"{100 * budget:g}_percent")
    assert values[0.05] == pytest.approx(values[0.1] / 2)


def test_the_oracle_takes_asr_and_price(sweep: Sweep) -> None:
    assert price(sweep, "10_percent") == pytest.approx(5 / 50)
    shares = sweep.at(1)["glasses/goodnet_asr"]
    assert asr(sweep, "10_percent") == pytest.approx(1 - shares - 0.1)


def test_a_fine_tuned_net_is_judged_in_place_of_the_pruned_one(model: keras.Model) -> None:
    tuned = {"10_percent": {"clean_valid": (0,), "clean_test": (), "glasses": (0, 1, 2)}}
    fine = swept(data(model), RATES, [0.1], tuned)
    assert price(fine, "10_percent") == pytest.approx(1 / 50)
    assert asr(fine, "10_percent") == pytest.approx(1 - 9 / 12 - 1 / 50)
    assert clean(fine, "10_percent") == 0  # it is the untouched network


def test_judging_changes_no_net(model: keras.Model) -> None:
    given = {"10_percent": {"clean_valid": (0,), "clean_test": (), "glasses": ()}}
    fine = swept(data(model), RATES, [0.1], given)
    nets = [fine.plan.network.model, fine.tuned["10_percent"][0]]
    before = [net.to_json() for net in nets]
    assert '"softmax"' in before[0]
    clean(fine, "10_percent")
    assert [net.to_json() for net in nets] == before


def test_nothing_but_clean_validation_images_decides(sweep: Sweep) -> None:
    others = data(tiny())
    blind = Data("d", others.clean_valid, None, {})
    assert clean(swept(blind, {"clean_valid": RATES["clean_valid"]}, [0.1]), "10_percent") == clean(sweep, "10_percent")
    assert set(objectives.OBJECTIVES) == set(objectives.ABOUT) == {"clean", "asr"}
