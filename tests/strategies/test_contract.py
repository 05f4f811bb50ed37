"""What every strategy owes the sweep. New ones are found by their YAML, and tried in each of their `trials`."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf
from settings import CONF, compose

from fineprune.errors import NotApplicable, StrategyError
from fineprune.network.step import Silence, Step
from fineprune.strategy import ChannelStrategy, Strategy
from fineprune.testing import NETWORKS, RULES, Case, check_strategy
from fineprune.testing.strategies import later_blocks_count, steps_repeat

STRATEGIES = sorted(file.stem for file in CONF.glob("strategy/*.yaml"))
QUICK = "normalised"  # slow tests try the other networks, further trials, and learners, whose compiling takes seconds
REPEATED = (QUICK, "residual")  # where the steps are found three times: that is up to the strategy, not to the network
ONCE = [rule for rule in RULES if rule not in (steps_repeat, later_blocks_count)]


def case(strategy: str, trial: int, network: str) -> Case:
    settings = compose(f"strategy={strategy}").strategy
    changes = get_class(settings._target_).trials[trial]
    return Case(lambda: instantiate(OmegaConf.merge(settings, changes)), NETWORKS[network]())


def marks(strategy: str) -> tuple[pytest.MarkDecorator, ...]:
    return (pytest.mark.slow,) if ".masks." in compose(f"strategy={strategy}").strategy._target_ else ()


def cases() -> Iterator[object]:
    for strategy in STRATEGIES:
        for trial, _ in enumerate(get_class(compose(f"strategy={strategy}").strategy._target_).trials):
            for network in NETWORKS if trial == 0 else ("residual",):
                slow = marks(strategy) if (trial, network) == (0, QUICK) else (pytest.mark.slow,)
                yield pytest.param(strategy, trial, network, marks=slow, id=f"{strategy}-{trial}-{network}")


@pytest.mark.parametrize(("strategy", "trial", "network"), list(cases()))
def test_every_strategy_keeps_every_rule(strategy: str, trial: int, network: str) -> None:
    tried = case(strategy, trial, network)
    for rule in RULES if network in REPEATED else ONCE:
        try:
            rule(tried)
        except NotApplicable:
            pytest.skip("not applicable to this network, as its reason says")
    assert all(map(np.array_equal, tried.weights, tried.model.get_weights()))  # of a network that no strategy changes


@pytest.mark.parametrize("strategy", [pytest.param(name, marks=marks(name)) for name in STRATEGIES])
def test_every_strategy_applies_to_some_network(strategy: str) -> None:
    for network in NETWORKS:
        try:
            assert case(strategy, 0, network).steps
            return
        except NotApplicable:
            continue
    pytest.fail("it applies to none")


class Nothing(Strategy):
    def steps(self, network: Any, clean: Any, **oracle: Any) -> Iterator[Step]:
        yield from ()


class Forgetful(Strategy):
    count = 0

    def steps(self, network: Any, clean: Any, **oracle: Any) -> Iterator[Step]:
        Forgetful.count += 1
        yield Step([Silence("conv_1", np.eye(4)[Forgetful.count % 2])])


class Unsorted(Strategy):
    def steps(self, network: Any, clean: Any, **oracle: Any) -> Iterator[Step]:
        yield Step([Silence("conv_1", np.zeros(4))])
        yield Step([Silence("conv_1", np.ones(4))])


class Impatient(ChannelStrategy):
    def scores(self, network: Any, clean: Any, **oracle: Any) -> dict[str, Any]:
        _, images = next(clean.blocks())
        return {"conv_1": np.abs(np.fft.fft(images.sum(axis=(1, 2, 3))))[1:5]}


class Meddling(Strategy):
    def steps(self, network: Any, clean: Any, **oracle: Any) -> Iterator[Step]:
        network.model.get_layer("conv_1").set_weights([np.zeros((3, 3, 3, 4)), np.zeros(4)])
        yield Step()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            Nothing,
            "expected Nothing({}) on plain to keep steps_fit, got: expected strategy Nothing to yield at least one",
        ),
        (
            Unsorted,
            "expected Unsorted({}) on plain to keep steps_fit, got: expected steps from least to most",
        ),
        (
            Forgetful,
            "expected Forgetful({}) on plain to keep steps_repeat, got: expected the same steps again",
        ),
        (
            Impatient,
            "expected Impatient({}) on plain to keep later_blocks_count, got: expected the same steps whatever",
        ),
        (
            Meddling,
            "expected Meddling({}) on plain to keep steps_repeat, got: expected the network as it was",
        ),
    ],
)
def test_a_broken_rule_is_named(kind: type[Strategy], message: str) -> None:
    with pytest.raises(StrategyError) as error:
        check_strategy(kind, {"plain": NETWORKS["plain"]})
    assert str(error.value).startswith(message)
