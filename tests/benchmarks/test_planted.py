"""The planted backdoor is where it is said to be, and rankings are measured by whether they find it."""

import numpy as np
import pytest

from benchmarks.planted import CHANNELS, TARGET, Planted, order, plant, shares
from fineprune.data.split import Split
from fineprune.evaluation.predict import predict
from fineprune.network.network import Network
from fineprune.network.step import Mask, Silence, Step
from fineprune.strategies.oracles.ep import PreActivationEntropy
from fineprune.strategies.oracles.tac import TriggerActivatedChange
from fineprune.strategies.rankings.bnp import NormStatistics
from fineprune.strategies.rankings.channel_activation import ChannelActivation
from fineprune.strategies.rankings.clp import ChannelLipschitzness
from fineprune.strategy import MaskStrategy, Strategy


@pytest.fixture(scope="module")
def planted() -> Planted:
    return plant(seed=1)


def rates(planted: Planted, step: Step) -> tuple[float, float]:
    """Clean accuracy and ASR."""
    net = planted.network.pruned(step)
    clean, poisoned = predict(net, planted.clean), predict(net, planted.poisoned)
    return float((clean == planted.clean.labels).mean()), float((poisoned == TARGET).mean())


def without(planted: Planted, number: str, guilty: bool) -> Step:
    """A step that silences the guilty channels of a convolution, or all others."""
    keep = [((number, channel) in planted.guilty) != guilty for channel in range(CHANNELS[number])]
    return Step([Silence(f"conv_{number}", np.array(keep, np.float32))])


@pytest.mark.slow
def test_it_works_until_its_channels_are_gone(planted: Planted) -> None:
    assert rates(planted, Step()) == (1, 1)
    for number in CHANNELS:
        assert rates(planted, without(planted, number, guilty=True)) == (1, 0)
        assert rates(planted, without(planted, number, guilty=False))[1] == 1


@pytest.mark.parametrize(
    "strategy",
    [
        NormStatistics(),
        ChannelActivation(),
        ChannelLipschitzness(),
        PreActivationEntropy(),
        TriggerActivatedChange(),
        TriggerActivatedChange(layers="all", normalise="l2"),
    ],
)
def test_rankings_find_what_their_papers_say_that_they_find(planted: Planted, strategy: Strategy) -> None:
    ranked = order(strategy, planted)
    assert shares(ranked, planted.guilty, len(planted.guilty.intersection(ranked))) == (1, 1)


class Learned(MaskStrategy):
    """A mask of each weight: those of the channels of `conv_1` are 1, 0.5 and 0 on average, of `conv_2` 0.25."""

    edit = Mask

    def masks(self, network: Network, clean: Split) -> dict[str, np.ndarray]:
        first = np.stack([np.ones((2, 1, 1)), np.array([0, 1]).reshape(2, 1, 1), np.zeros((2, 1, 1))], axis=-1)
        return {"conv_1": first, "conv_2": np.full((1, 1, 1, 1), 0.25)}


def test_soft_masks_rank_channels_by_their_mean(planted: Planted) -> None:
    assert order(Learned(thresholds=(0.0,)), planted) == [("1", 2), ("2", 0), ("1", 1), ("1", 0)]


def test_shares_worked_by_hand() -> None:
    ranked = [("1", 0), ("1", 1), ("1", 2), ("1", 3)]
    guilty = frozenset({("1", 1), ("1", 3), ("2", 0)})  # the last one is of a layer that is not ranked
    assert [shares(ranked, guilty, k) for k in (1, 2, 4)] == [(0, 0), (0.5, 0.5), (0.5, 1)]
