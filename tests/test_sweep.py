"""From a BadNet and a strategy to a table, a step for each budget, and the nets that are saved."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from nets import tiny
from samples import pictures, split

from fineprune import sweep as sweeps
from fineprune.badnets import BadNet
from fineprune.errors import ConfigError, FinepruneError, ModelError, NotApplicable
from fineprune.evaluation import predict
from fineprune.splits import ArraySplit, Data
from fineprune.strategy import Step, Strategy
from strategies.channel_activation import ChannelActivation


class Says(Strategy):
    """The steps that it is given; remembers what it was shown."""

    def __init__(self, *steps: Step) -> None:
        self.given = steps

    def steps(self, network: Any, clean: Any) -> Iterator[Step]:
        self.shown = (network, clean)
        yield from self.given


def keep(*channels: int) -> Step:
    return Step({"conv_1": np.array(channels, np.float32)})


def labelled_by(model: keras.Model, count: int, seed: int) -> ArraySplit:
    """Images on which `model` is always right."""
    images = split(pictures(count, seed=seed), 5)
    images.labels = predict(model, images).astype(np.int64)
    return images


def data(model: keras.Model) -> Data:
    poisoned = split(pictures(12, seed=3), 1)
    return Data("d", labelled_by(model, 50, 1), labelled_by(model, 20, 2), {"glasses": poisoned})


def planned(data: Data, strategy: Strategy, budgets: Any = (0.02, 0.1)) -> sweeps.Plan:
    return sweeps.plan(BadNet(tiny(), data), strategy, None, list(budgets), 0.3, 0)


def test_a_strategy_is_shown_clean_validation_alone(model: keras.Model) -> None:
    strategy, given = Says(keep(0, 1, 1, 1)), data(model)
    planned(given, strategy)
    assert strategy.shown[1] is given.clean_valid


def test_the_step_of_a_budget_is_the_first_at_or_over_it_on_clean_validation(model: keras.Model) -> None:
    given = data(model)
    found = sweeps.run(planned(given, ChannelActivation()))
    accuracy = found.table["clean_valid/pruned_accuracy"]
    assert accuracy[0] == 1
    for name, budget in (("2_percent", 0.02), ("10_percent", 0.1)):
        row = found.chosen[name]
        assert row is not None
        assert accuracy[row] <= 1 - budget + 1e-9
        assert (accuracy[:row] > 1 - budget).all()


def test_the_net_of_a_point_is_that_of_its_row_in_the_table(model: keras.Model) -> None:
    given = data(model)
    found = sweeps.run(planned(given, ChannelActivation()))
    for point, row in found.points.items():
        net = found.nets[f"pruned_{point}"]
        silent = np.sum(~net.get_layer("conv_2").get_weights()[0].any(axis=(0, 1, 2)))
        assert silent == found.table["pruned"][row] == row
        for name, images in given.splits.items():
            assert np.array_equal(predict(net, images), found.labels[name][row])


def test_choosing_a_step_is_blind_to_test_and_poisoned_images(model: keras.Model) -> None:
    given = data(model)
    wrong = Data("d", given.clean_valid, split(pictures(20), 5), {"glasses": split(pictures(12), 5)})
    assert (
        sweeps.run(planned(given, ChannelActivation())).chosen == sweeps.run(planned(wrong, ChannelActivation())).chosen
    )


def test_row_0_is_the_badnet_and_the_nets_are_copies(model: keras.Model) -> None:
    given = data(model)
    found = sweeps.run(planned(given, Says(keep(0, 1, 1, 1), keep(0, 0, 0, 0)), [1e-9]))
    assert np.array_equal(found.labels["clean_test"][0], predict(model, given.splits["clean_test"]))
    assert found.table["pruned"].tolist() == [0, 1, 4]
    assert len({id(net) for net in found.nets.values()}) == len(found.nets)


def test_a_budget_that_is_never_reached_is_said(model: keras.Model) -> None:
    found = sweeps.run(planned(data(model), Says(keep(1, 1, 1, 1)), [0.02]))
    assert found.chosen == {"2_percent": None}
    assert found.points == {"end": 1}


@pytest.mark.parametrize(
    ("given", "strategy", "error", "message"),
    [
        ({"clean_valid": None}, ChannelActivation(), ConfigError, "expected data.clean_valid, which ranks channels"),
        (
            {"clean_test": split(pictures(5, (9, 9, 3)), 5)},
            ChannelActivation(),
            ModelError,
            "expected images of clean_test to be (12, 10, 3) as the network's, got (9, 9, 3)",
        ),
        (
            {"clean_test": split(pictures(9), 7)},
            ChannelActivation(),
            ModelError,
            "expected labels of clean_test below the network's 5 classes, got 6",
        ),
        ({}, Says(), NotApplicable, "expected the strategy to have something to prune, got no step"),
        (
            {},
            Says(Step({"output": np.zeros(5)})),
            ConfigError,
            "expected the name of a prunable layer, one of conv_1, conv_2, hidden, got 'output'",
        ),
        ({}, Says(keep(0, 1, 1)), NotApplicable, "expected keep['conv_1'] of shape (4,), got (3,)"),
        (
            {},
            Says(Step({"conv_1": np.zeros((3, 3))})),
            NotApplicable,
            "expected keep['conv_1'] of shape (3, 3, 3, 4), got (3, 3)",
        ),
    ],
)
def test_what_does_not_fit(
    given: dict[str, Any], strategy: Strategy, error: type[FinepruneError], message: str, model: keras.Model
) -> None:
    splits = {"clean_valid": split(pictures(20), 5), **given}
    with pytest.raises(error) as caught:
        planned(Data("d", **splits), strategy)
    assert str(caught.value).startswith(message)
