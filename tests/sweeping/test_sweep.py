"""From a BadNet and a strategy to a table, a step for each budget, and the nets that are saved."""

from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from plans import Says, data, keep, planned
from samples import pictures, split
from steps import keeping

from fineprune.data.split import Data
from fineprune.errors import ConfigError, FinepruneError, ModelError, StrategyError
from fineprune.evaluation.predict import predict
from fineprune.network.step import Silence, Step
from fineprune.strategies.rankings.channel_activation import ChannelActivation
from fineprune.strategy import Strategy
from fineprune.sweeping.run import run


def test_a_strategy_is_shown_clean_validation_alone(model: keras.Model) -> None:
    strategy, given = Says(keep(0, 1, 1, 1)), data(model)
    planned(given, strategy)
    assert strategy.shown[1] is given.clean_valid


def test_the_step_of_a_budget_is_the_first_at_or_over_it_on_clean_validation(model: keras.Model) -> None:
    given = data(model)
    sweep = run(planned(given, ChannelActivation()))
    accuracy = sweep.table["clean_valid/pruned_accuracy"]
    assert accuracy[0] == 1
    for name, budget in (("2_percent", 0.02), ("10_percent", 0.1)):
        row = sweep.chosen[name]
        assert row is not None
        assert accuracy[row] <= 1 - budget + 1e-9
        assert (accuracy[:row] > 1 - budget).all()


def test_the_net_of_a_point_is_that_of_its_row_in_the_table(model: keras.Model) -> None:
    given = data(model)
    sweep = run(planned(given, ChannelActivation()))
    for point, row in sweep.points.items():
        net = sweep.nets[f"pruned_{point}"]
        silent = np.sum(~net.get_layer("conv_2").get_weights()[0].any(axis=(0, 1, 2)))
        assert silent == sweep.table["pruned"][row] == row
        for name, images in given.splits.items():
            assert np.array_equal(predict(net, images), sweep.labels[name][row])


def test_choosing_a_step_is_blind_to_test_and_poisoned_images(model: keras.Model) -> None:
    given = data(model)
    wrong = Data("d", given.clean_valid, split(pictures(20), 5), {"glasses": split(pictures(12), 5)})
    assert run(planned(given, ChannelActivation())).chosen == run(planned(wrong, ChannelActivation())).chosen


def test_row_0_is_the_badnet_and_the_nets_are_copies(model: keras.Model) -> None:
    given = data(model)
    sweep = run(planned(given, Says(keep(0, 1, 1, 1), keep(0, 0, 0, 0)), [1e-9]))
    assert np.array_equal(sweep.labels["clean_test"][0], predict(model, given.splits["clean_test"]))
    assert sweep.table["pruned"].tolist() == [0, 1, 4]
    assert len({id(net) for net in sweep.nets.values()}) == len(sweep.nets)


def test_a_budget_that_is_never_reached_leads_to_the_last_step(model: keras.Model) -> None:
    whole = run(planned(data(model), Says(keep(1, 1, 1, 1)), [0.02]))
    assert whole.chosen == {"2_percent": None}
    assert whole.points == {"2_percent": 1}


def test_without_budgets_the_last_step_is_reported(model: keras.Model) -> None:
    whole = run(planned(data(model), Says(keep(1, 1, 1, 1), keep(0, 1, 1, 1)), []))
    assert whole.points == {"end": 2}


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
        ({}, Says(), StrategyError, "expected strategy Says to yield at least one step, got none"),
        (
            {},
            Says(keeping({"output": np.zeros(5)})),
            StrategyError,
            "expected step 1 of Says to fit the network, got: expected Silence('output') to name a layer with channels",
        ),
        (
            {},
            Says(keep(0, 1, 1)),
            StrategyError,
            "expected step 1 of Says to fit the network, got: expected Silence('conv_1') of shape",
        ),
        (
            {},
            Says(keeping({"conv_1": np.zeros((3, 3))})),
            StrategyError,
            "expected step 1 of Says to fit the network, got: expected Mask('conv_1') of shape (3, 3, 3, 4)",
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


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([Step((), 1.0, "k"), Step((), 2.0, "epoch")], "expected one amount_name and one total in all steps of Says"),
        ([Step((), float("inf"), "k")], "expected the amounts of Says to be finite, got inf"),
        ([Step((), amount_name="k")], "expected the amounts of Says to be finite, got nan"),
        ([Step((), 1.0, "k·std")], "expected amount_name of Says to be letters and digits"),
        ([Step((), 1.0, "step")], "expected amount_name of Says to be letters and digits, and none of step, pruned"),
    ],
)
def test_amounts_are_one_column_of_numbers(steps: list[Step], message: str, model: keras.Model) -> None:
    with pytest.raises(StrategyError) as error:
        planned(data(model), Says(*steps))
    assert str(error.value).startswith(message)


def test_an_amount_stands_beside_the_share_under_its_own_name(model: keras.Model) -> None:
    edits = [Silence("conv_1", np.array([0, 1, 1, 1]))]
    table = run(planned(data(model), Says(Step(edits, 2.0, "threshold")))).table
    assert table["threshold"].isna().tolist() == [True, False]
    assert table.iloc[1][["threshold", "fraction_pruned"]].tolist() == [2.0, 0.25]
