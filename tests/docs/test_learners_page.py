"""What docs and settings say that a learner sends through the network is what is counted."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from samples import pictures, split

from fineprune.config.choices import CONF
from fineprune.network.network import Network
from fineprune.network.passes import Passes
from fineprune.strategies.caps.mmbm import MaximumMarginMitigation
from fineprune.strategies.masks.anp import AdversarialNeuronPruning
from fineprune.strategies.masks.awm import AdversarialWeightMasking
from fineprune.strategies.masks.cnp import ContrastiveNeuronPruning
from fineprune.strategies.masks.ims import InvertibleMasks
from fineprune.strategies.masks.nft import NeuralMaskFineTuning
from fineprune.strategies.masks.rnp import ReconstructiveNeuronPruning
from fineprune.strategies.weights.tsbd import TwoStageBackdoorDefence
from fineprune.strategy import Strategy
from fineprune.testing import NETWORKS

pytestmark = pytest.mark.slow

LEARNERS = Path(__file__).parents[2] / "docs" / "strategies" / "learners.md"
IMAGES = split(pictures(24), 5)  # a batch

# Settings, and how often each pair of numbers in the strategy's row of the page is taken then, a batch being an epoch.
CASES: Mapping[str, tuple[type[Strategy], dict[str, Any], tuple[int, ...]]] = {
    "anp": (AdversarialNeuronPruning, {"iterations": 2}, (2,)),
    "rnp": (ReconstructiveNeuronPruning, {"unlearning_epochs": 2, "recovering_epochs": 1, "stop": 1e-9}, (3,)),
    "cnp": (ContrastiveNeuronPruning, {"epochs": 2, "inverting_epochs": 3}, (2, 3, 5)),
    "ims": (InvertibleMasks, {"first_rounds": 3, "rounds": 1}, (2, 3)),
    "awm": (AdversarialWeightMasking, {"rounds": 2, "epochs": 1}, (2,)),
    "nft": (NeuralMaskFineTuning, {"epochs": 2}, (2,)),
    "tsbd": (TwoStageBackdoorDefence, {"epochs": 2, "stop": 1e-9}, (2,)),
}


def counted(strategy: Strategy) -> tuple[float, float]:
    passes = Passes()
    with passes.counting():
        next(iter(strategy.steps(Network(NETWORKS["normalised"]()), IMAGES)))
    each = passes.over(len(IMAGES))
    return each.forward, each.backward


@pytest.mark.parametrize("name", CASES)
def test_what_the_page_says_of_a_learner_is_counted(name: str) -> None:
    (row,) = (line for line in LEARNERS.read_text().splitlines() if re.match(rf"\| `{name}` \| (yes|no) \|", line))
    pairs = [(int(forward), int(backward)) for forward, backward in re.findall(r"(\d+)(?: forward)? and (\d+)", row)]
    kind, settings, times = CASES[name]
    expected = [sum(passes[way] * count for passes, count in zip(pairs, times, strict=True)) for way in (0, 1)]
    assert counted(kind(**settings, batch_size=24)) == tuple(expected)


def test_mmbm_compares_with_the_untouched_network_which_no_gradient_goes_through() -> None:
    assert counted(MaximumMarginMitigation(epochs=1, batch_size=24)) == (2, 1)
    assert "Two passes forward and one backward" in header("mmbm")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("anp", "three times forward and three times backward"),
        ("cnp", "six times forward and four times backward"),
        ("ims", "46 times forward and 44 times backward"),
    ],
)
def test_settings_say_the_same(name: str, words: str) -> None:
    assert words in header(name)


def header(name: str) -> str:
    return (CONF / "strategy" / f"{name}.yaml").read_text().splitlines()[0]
