"""Strategies on networks that other people backdoored, where FINEPRUNE_SHARED names the folder that holds them."""

import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from fineprune.data.files import H5Split
from fineprune.data.scaling import Scaling
from fineprune.data.split import Subset, sample
from fineprune.evaluation.predict import predict_steps
from fineprune.network.network import Network
from fineprune.network.step import Step
from fineprune.strategies.masks.rnp import ReconstructiveNeuronPruning
from fineprune.strategies.rankings.channel_activation import ChannelActivation
from fineprune.strategies.rankings.clp import ChannelLipschitzness
from fineprune.strategy import ChannelStrategy
from fineprune.untrusted.network_files import load_model

pytestmark = pytest.mark.slow

THRESHOLDS = (3, 2.5, 2, 1.5)
TOLERANCE = 5  # percentage points: the images were others of the same set

# Of each network of I-BAU: how many of its 448 channels lie beyond THRESHOLDS deviations, then the clean accuracy and
# ASR, in percent, of the nets without them; and those of the nets without 64, 96 and 112 of the last convolution's 128
# channels, by their activation behind the last pooling. Other code computed them. NaN is an ASR that goes from 2 to 76
# with the images that rank.
LIPSCHITZ = {
    "l0_inv": ([1, 5, 14, 38], [(77.1, 100), (73.8, 100), (72.1, 100), (48.5, 92.1)]),
    "trojan_sq": ([0, 1, 12, 36], [(77.3, 99.3), (76.5, 99.3), (65.3, 30.4), (59.4, 55.2)]),
    "trojan_wm": ([1, 4, 14, 30], [(77.6, 100), (74.7, 93.9), (66.7, 95.6), (52.6, 85.0)]),
}
ACTIVATION = {
    "l0_inv": [(74.8, 100), (64.8, 5.1), (54.2, 15.2)],
    "trojan_sq": [(73.1, 99.3), (64.6, 0.9), (53.8, 0.3)],
    "trojan_wm": [(74.6, 100), (64.8, np.nan), (51.6, 0.1)],
}


class Case:
    """A network, the first 100 test images of each class, and 1,000 poisoned ones."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, file = name.removeprefix("ibau_cifar10_"), f"{name}.h5"
        self.network = Network(load_model(folder / "nets" / file))
        clean = H5Split(folder / "cifar10" / "test.h5", Scaling(1 / 255), "clean_test")
        rows = np.sort(np.concatenate([np.flatnonzero(clean.labels == label)[:100] for label in range(10)]))
        self.clean = Subset(clean, rows)
        self.poisoned = H5Split(folder / "nets" / f"poisoned_{file}", Scaling(1 / 255), "poisoned")

    def rates(self, steps: list[Step]) -> list[tuple[float, float]]:
        """Clean accuracy and ASR after each of `steps`, in percent."""
        splits = {"clean": self.clean, "poisoned": self.poisoned}
        labels = predict_steps(self.network, steps, splits, lambda _: None)
        rates = {name: 100 * (labels[name][1:] == split.labels).mean(axis=1) for name, split in splits.items()}
        return list(zip(rates["clean"], rates["poisoned"], strict=True))

    def steps(self, strategy: ChannelStrategy) -> list[Step]:
        return list(strategy.steps(self.network, self.clean))


@pytest.fixture(scope="module")
def folder() -> Path:
    named = os.environ.get("FINEPRUNE_SHARED")
    if not named:
        pytest.skip("FINEPRUNE_SHARED is not set: it names the folder of the real networks")
    return Path(named).resolve()


@pytest.fixture(scope="module", params=sorted(LIPSCHITZ))
def case(request: pytest.FixtureRequest, folder: Path) -> Case:
    return Case(folder, f"ibau_cifar10_{request.param}")


def test_lipschitz_bounds_prune_as_many_channels_as_the_authors_rule_does(case: Case) -> None:
    steps = case.steps(ChannelLipschitzness())
    bounds = [-score for score in ChannelLipschitzness().scores(case.network, case.clean).values()]
    counts, published = LIPSCHITZ[case.name]
    assert steps[0].total == 448
    for u, count in zip(THRESHOLDS, counts, strict=True):
        assert sum((bound > bound.mean() + u * bound.std(ddof=1)).sum() for bound in bounds) == count
        assert count == 0 or steps[count - 1].amount <= u
        assert count < 2 or steps[count - 2].amount > u
    pruned = [steps[count - 1] if count else Step() for count in counts]
    assert np.array(case.rates(pruned)) == pytest.approx(np.array(published), abs=TOLERANCE)


def test_activation_finds_what_it_found_elsewhere(case: Case) -> None:
    steps = case.steps(ChannelActivation())
    ours, published = case.rates([steps[count - 1] for count in (64, 96, 112)]), np.array(ACTIVATION[case.name])
    assert np.nan_to_num(np.abs(np.array(ours) - published)).max() <= TOLERANCE


def test_rnp_finds_the_backdoor_of_the_network_of_nad_within_four_channels(folder: Path) -> None:
    """As RNP's authors publish: 500 images of CIFAR-10, some channels, hardly any clean accuracy."""
    case = Case(folder, "nad_wrn16_student")
    images = sample(H5Split(folder / "cifar10" / "valid.h5", Scaling(1 / 255), "clean_valid"), 500, 0)
    steps = ReconstructiveNeuronPruning(chunk=1).steps(case.network, images)
    (clean, asr), *pruned = case.rates([Step(), *islice(steps, 4)])
    assert asr == pytest.approx(100, abs=TOLERANCE)
    assert any(rest < 20 and accuracy > clean - TOLERANCE for accuracy, rest in pruned), pruned
