"""What a search chooses from: ranges and lists, of settings that are there."""

from typing import Any

import optuna
import pytest
from omegaconf import OmegaConf
from settings import CONF, compose

from fineprune.config.setup import build_method
from fineprune.errors import ConfigError
from fineprune.search.space import Choices, Range, Space, applied

EPSILON = {"low": 0.1, "high": 0.8}


def drawn(dimension: Range | Choices, count: int = 30) -> set[Any]:
    """What Optuna proposes, so many times."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return {dimension.suggest(study.ask(), "x") for _ in range(count)}


def test_settings_are_named_with_dots_or_one_inside_the_other() -> None:
    nested, dotted = Space({"strategy": {"epsilon": EPSILON, "scope": ["a"]}}), Space({"strategy.epsilon": EPSILON})
    assert nested.dimensions == {"strategy.epsilon": Range(0.1, 0.8), "strategy.scope": Choices(("a",))}
    assert dotted.dimensions == {"strategy.epsilon": Range(0.1, 0.8)}


def test_null_leaves_a_setting_out() -> None:
    assert list(Space({"strategy": {"alpha": None, "epsilon": EPSILON}}).dimensions) == ["strategy.epsilon"]


@pytest.mark.parametrize(
    ("dimension", "values"),
    [
        (Range(2, 9, step=3), {2, 5, 8}),
        (Range(1, 2, step=0.5), {1.0, 1.5, 2.0}),
        (Choices(("all", None, True)), {"all", None, True}),
    ],
)
def test_proposals_are_those_that_the_space_has(dimension: Range | Choices, values: set[Any]) -> None:
    proposed = drawn(dimension)
    assert proposed == values
    assert all(dimension.has(value) for value in proposed)


def test_a_range_without_a_step_has_all_between_its_ends() -> None:
    proposed = drawn(Range(0.01, 100, log=True))
    assert len(proposed) == 30 and all(0.01 <= value <= 100 for value in proposed)
    assert 5 < sum(value < 1 for value in proposed) < 25  # evenly by their logarithms


def test_whole_numbers_stay_whole_on_a_logarithmic_scale() -> None:
    assert all(isinstance(value, int) for value in drawn(Range(1, 100, log=True, step=1)))


def test_a_space_does_not_have_what_lies_beside_it() -> None:
    assert not Range(2, 9, step=3).has(9) and not Range(2, 9, step=3).has(5.0) and not Range(0, 1).has(True)
    assert not Choices((1,)).has(True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "expected tune.space to name settings with their ranges, got none: take one of tune="),
        (None, "expected tune.space to name settings with their ranges, got none: "),
        ({"a": 3}, "expected tune.space.a to be a range as {low: 0.1, high: 0.8}, with log: true or step: 0.1 if need"),
        ({"a": []}, "or a list of choices, got []: write one of these"),
        ({"a": {"low": 1}}, "expected tune.space.a to be a range as "),
        ({"a": {**EPSILON, "steps": 3}}, "expected tune.space.a to be a range as "),
        ({"a": {"low": "x", "high": 1}}, "expected tune.space.a.low to be a number, got 'x': set a number"),
        ({"a": {**EPSILON, "step": 0}}, "expected tune.space.a.step to be a number > 0"),
        ({"a": {"low": 0.8, "high": 0.1}}, "expected tune.space.a.low to be at most high, 0.1, got 0.8: swap them"),
        (
            {"a": {"low": 0, "high": 1, "log": True}},
            "expected tune.space.a.low to be above 0 with log, got 0: raise",
        ),
        (
            {"a": {**EPSILON, "log": True, "step": 0.1}},
            "expected tune.space.a to have log or step, got both: leave",
        ),
        ({"a": [[1], [2]]}, "expected tune.space.a to list numbers, texts, true, false or null, got [1]: leave it out"),
    ],
)
def test_what_is_no_space_is_said(given: Any, message: str) -> None:
    with pytest.raises(ConfigError) as said:
        Space(given)
    assert message in str(said.value)


def test_only_settings_of_the_strategy_and_the_fine_tuning_are_tuned() -> None:
    settings = compose("strategy=anp")
    Space({"strategy.epsilon": EPSILON}).check(settings)
    with pytest.raises(ConfigError, match=r"got 'strategy.epsilom': did you mean strategy.epsilon\? set one of strat"):
        Space({"strategy.epsilom": EPSILON}).check(settings)
    for key in ("seed", "held_out", "finetune.epochs", "strategy.seed", "strategy._target_"):
        with pytest.raises(ConfigError, match=f"^expected tune.space to name settings .*, got '{key}'"):
            Space({key: EPSILON}).check(settings)


def test_defaults_are_those_that_the_space_has() -> None:
    settings = compose("strategy=anp", "strategy.alpha=0.9")
    space = Space({"strategy": {"epsilon": EPSILON, "alpha": EPSILON}})
    assert space.defaults(settings) == {"strategy.epsilon": 0.4}


@pytest.mark.parametrize("file", sorted(CONF.glob("tune/*.yaml")), ids=lambda file: file.stem)
def test_every_end_of_every_preset_can_be_set(file: Any) -> None:
    settings = compose(f"tune={file.stem}", config="tune")
    if file.stem == "own":
        assert settings.tune.space == {}
        return
    space = Space(OmegaConf.to_container(settings.tune.space))
    space.check(settings)
    for key, value in space.extremes():
        build_method(applied(settings, {key: value}))
    assert set(space.defaults(settings)) == set(space.dimensions)
