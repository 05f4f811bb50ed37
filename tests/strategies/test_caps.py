"""Strategies that cap activations, against sums by hand and in NumPy."""

import numpy as np
import pytest
import tf_keras as keras
from samples import pictures, split
from tf_keras import layers

from fineprune.data.split import hold_out, in_memory
from fineprune.network.network import Network
from fineprune.network.step import Step
from fineprune.strategies.caps.activation_cap import ActivationCap
from fineprune.strategies.caps.mmbm import MaximumMarginMitigation
from fineprune.strategies.caps.unit import NeuralTightening
from fineprune.testing import NETWORKS
from fineprune.training.cost import CostSearch


def copying() -> Network:
    """Its channels are red, green and blue, as they are; each class's score is a channel's mean."""
    image = layers.Input((8, 8, 3), name="image")
    x = layers.Conv2D(3, 1, use_bias=False, activation="relu", name="colours")(image)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, layers.Dense(3, activation="softmax", use_bias=False, name="output")(x))
    model.get_layer("colours").set_weights([np.eye(3)[None, None]])
    model.get_layer("output").set_weights([np.eye(3)])
    return Network(model)


IMAGES = split(pictures(30, (8, 8, 3)), 3)


def caps(step: Step) -> dict[str, np.ndarray]:
    return {edit.layer: edit.caps for edit in step.edits}


@pytest.mark.usefixtures("small_blocks")
def test_caps_are_the_mean_and_k_standard_deviations_of_each_channel() -> None:
    pixels, _ = in_memory(IMAGES)
    mean, std = pixels.mean(axis=(0, 1, 2)), pixels.std(axis=(0, 1, 2))
    steps = list(ActivationCap(highest=1.0, step=0.5).steps(copying(), IMAGES))
    assert [(step.amount, step.amount_name) for step in steps] == [(1.0, "k"), (0.5, "k"), (0.0, "k")]
    for step, k in zip(steps, (1, 0.5, 0), strict=True):
        assert caps(step)["colours"] == pytest.approx(mean + k * std, rel=1e-4)


def test_the_last_step_is_there_whether_steps_divide_the_way_or_not() -> None:
    assert [step.amount for step in ActivationCap(highest=8.0, step=3.0).steps(copying(), IMAGES)] == [8, 5, 2, 0]
    tightening = NeuralTightening(iterations=5, record=2, batch_size=16)
    assert [step.amount for step in tightening.steps(copying(), IMAGES)] == [0, 2, 4, 5]


@pytest.mark.parametrize(
    ("network", "every", "last"),
    [
        ("plain", ["conv_1", "conv_2", "hidden"], "conv_2"),
        ("residual", ["stem_relu", "inner_relu", "sum_relu"], "sum_relu"),
        ("concatenated", ["stem", "branch_prelu", "relu"], "relu"),
    ],
)
def test_activations_are_capped_where_they_stand(network: str, every: list[str], last: str) -> None:
    places = Network(NETWORKS[network]())
    assert places.activated("all") == every
    assert places.activated("auto") == [last]
    assert places.activated(["conv_1"] if network == "plain" else ["stem"])


def tightened(iterations: int, degrade: float) -> list[Step]:
    strategy = NeuralTightening(
        iterations=iterations, batch_size=24, learning_rate=0.1, record=1, accuracy_degrade=degrade
    )
    return list(strategy.steps(copying(), IMAGES))


def test_bounds_start_at_four_deviations_and_adam_goes_one_rate_down_the_slope() -> None:
    rest, _ = hold_out(IMAGES, 0.2, 0)
    pixels, _ = in_memory(rest)
    start = pixels.mean(axis=(0, 1, 2)) + 4 * pixels.std(axis=(0, 1, 2))
    loose, tight = tightened(1, degrade=1.0)
    assert caps(loose)["colours"] == pytest.approx(start, rel=1e-4)
    # No pixel is as high as the bounds, so that their cost alone has a slope; the first step of Adam is the rate.
    assert pixels.max() < start.min()
    assert caps(tight)["colours"] == pytest.approx(start - 0.1, rel=1e-3)


def test_bounds_that_cost_accuracy_are_passed_over() -> None:
    search = CostSearch(np.array([4.0]), least=0.9, cost=1e-3)
    for bound, accuracy in ((3, 0.95), (2, 0.85), (2.5, 0.9), (2.75, 1)):
        search.add(np.array([bound]), bound, accuracy)
    assert search.best == [2.5]


def test_the_cost_of_bounds_doubles_where_they_keep_accuracy_and_falls_where_they_do_not() -> None:
    search = CostSearch(np.array([4.0]), least=0.5, cost=1e-3)
    costs = []
    for accuracy in [1] * 5 + [0] * 10 + [1] * 5:
        search.add(np.array([4.0]), 4, accuracy)
        costs.append(search.cost / 1e-3)
    assert (costs[3], costs[4]) == (1, 2)
    assert (costs[9], costs[14]) == pytest.approx((2**-0.5, 2**-2))
    assert costs[19] == 1


def test_bounds_of_early_layers_fall_by_the_rate_of_adam_until_they_cost_logits() -> None:
    # At 8 they limit nothing; only their norm has a slope. Three images a class are one batch.
    strategy = MaximumMarginMitigation(epochs=2, per_class=3)
    first, second = strategy.steps(copying(), IMAGES)
    assert (first.amount, first.amount_name) == (1, "epoch")
    assert caps(first)["colours"] == pytest.approx([7.9] * 3, abs=1e-4)
    assert caps(second)["colours"] == pytest.approx([7.8] * 3, abs=1e-3)


@pytest.mark.parametrize(("epochs", "cost"), [(20, 0.1), (30, 0.1 * 1.2)])
def test_a_bound_stops_where_it_costs_what_the_logits_do_and_costs_more_from_epoch_21_on(
    epochs: int, cost: float
) -> None:
    images = split(np.full((4, 8, 8, 3), 255, np.uint8), 3)
    settings = {"batch_size": 1, "per_class": 4, "start": 1.0, "learning_rate": 0.005, "cost": 0.1}
    *_, last = MaximumMarginMitigation(epochs=epochs, **settings).steps(copying(), images)
    # All channels are 1. By a bound b, the error has the slope −2 (1 − b) / 3, and the norm 1 / √3.
    assert caps(last)["colours"] == pytest.approx([1 - cost * 3 / (2 * np.sqrt(3))] * 3, abs=2e-3)


def test_the_first_three_activations_are_bounded() -> None:
    steps = MaximumMarginMitigation(epochs=1).steps(Network(NETWORKS["residual"]()), split(pictures(30), 5))
    assert list(caps(next(iter(steps)))) == ["stem_relu", "inner_relu", "sum_relu"]
