"""What strategies and fine-tuning cost, in passes over the clean validation images, worked by hand."""

from collections.abc import Sequence
from typing import Any

import pytest
from nets import tiny
from samples import pictures, split

from fineprune.attacks import Patch
from fineprune.attacks.poisoning import PoisonedSplit
from fineprune.badnets.source import BadNet
from fineprune.data.split import Data
from fineprune.network.network import Network
from fineprune.report import run_folder
from fineprune.strategies.controls.none import NoPruning
from fineprune.strategies.controls.random_channels import RandomChannels
from fineprune.strategies.masks.anp import AdversarialNeuronPruning
from fineprune.strategies.oracles.tac import TriggerActivatedChange
from fineprune.strategies.rankings.channel_activation import ChannelActivation
from fineprune.strategies.rankings.fmp import FeatureMapPruning
from fineprune.strategies.weights.magnitude_dense import MagnitudeDense
from fineprune.strategy import Strategy
from fineprune.sweeping.plan import plan
from fineprune.sweeping.run import Sweep, run
from fineprune.testing import NETWORKS
from fineprune.training import FineTuning
from fineprune.training.tuning.clean import CleanFineTuning

pytestmark = pytest.mark.slow

TRAINING = {"epochs": 2, "batch_size": 10, "learning_rate": 0.001}
CLEAN = 50


def costs(
    strategy: Strategy, network: str = "", finetuning: FineTuning | None = None, budgets: Sequence[float] = ()
) -> dict[str, float]:
    """Those of a sweep, without its seconds; of the 40 test images 32 are poisoned."""
    clean = split(pictures(40, seed=1), 5)
    data = Data("d", split(pictures(CLEAN), 5), clean, {"patch": PoisonedSplit(clean, Patch(target=0), 5)})
    badnet = BadNet(Network(NETWORKS[network]() if network else tiny()), data)
    measured = run_folder.results(run(plan(badnet, strategy, finetuning, budgets, 0.3, 0)))
    return {name: value for name, value in measured.items() if "_passes/" in name}


def of_strategy(forward: float, backward: float) -> Any:
    parts = {"forward_passes/strategy": forward, "backward_passes/strategy": backward}
    return pytest.approx(parts | {"forward_passes/finetuning": 0, "backward_passes/finetuning": 0})


def test_a_ranking_by_activation_takes_one_pass_forward() -> None:
    assert costs(ChannelActivation()) == of_strategy(1, 0)


def test_pruning_at_random_takes_none() -> None:
    assert costs(RandomChannels()) == of_strategy(0, 0)


def test_the_change_by_the_trigger_takes_two_passes_over_the_poisoned_images() -> None:
    assert costs(TriggerActivatedChange()) == of_strategy(2 * 32 / CLEAN, 0)


def test_an_iteration_of_anp_sends_its_batch_three_times_forward_and_three_times_backward() -> None:
    # Forward with the first noise, the worst noise, and none. Backward by the noise through the first of them, and by
    # the masks through the other two.
    strategy = AdversarialNeuronPruning(iterations=3, batch_size=16)
    assert costs(strategy, "normalised") == of_strategy(3 * 3 * 16 / CLEAN, 3 * 3 * 16 / CLEAN)


def test_training_towards_sparsity_takes_its_epochs() -> None:
    strategy = MagnitudeDense(
        sparsities=[0.5, 0.7], scope="global", layers="dense", train="tfmot", training=TRAINING, seed=0
    )
    assert costs(strategy) == of_strategy(2, 2)


def test_attacking_maps_takes_two_passes_and_one_back_a_channel_and_one_for_the_clean_maps() -> None:
    channels = Network(tiny()).unit("conv_2").channels
    strategy = FeatureMapPruning(images=10, layers=("conv_2",))
    assert costs(strategy) == of_strategy((1 + 2 * channels) * 10 / CLEAN, channels * 10 / CLEAN)


@pytest.mark.parametrize("layers", ["all", "dense"])
def test_fine_tuning_takes_its_epochs_over_the_images_that_judge_no_budget(layers: Any) -> None:
    tuning = CleanFineTuning(layers, epochs=4, batch_size=8, learning_rate=0.001)
    spent = costs(NoPruning(), finetuning=tuning, budgets=[0.1])
    assert spent["forward_passes/finetuning"] == spent["backward_passes/finetuning"] == pytest.approx(4 * 35 / CLEAN)
    assert spent["forward_passes/strategy"] == spent["backward_passes/strategy"] == 0


def test_the_run_folder_s_summary_has_the_same_figures(swept: Sweep) -> None:
    summary = run_folder.summary(swept, {})
    assert summary["forward_passes"] == {"strategy": 1, "finetuning": 0}
    assert summary["backward_passes"] == {"strategy": 0, "finetuning": 0}


@pytest.fixture
def swept() -> Sweep:
    images = split(pictures(CLEAN), 5)
    return run(plan(BadNet(Network(tiny()), Data("d", images)), ChannelActivation(), None, [], 0.3, 0))
