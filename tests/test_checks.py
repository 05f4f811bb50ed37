"""An annotation says what a setting may be, and a wrong one is a line that says the same."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from omegaconf import OmegaConf
from pydantic import Field

from fineprune.checks import Count, Fraction, Natural, Positive, call, checked, take_settings
from fineprune.errors import ConfigError

Pair = Annotated[tuple[Fraction, Fraction], Field(strict=False, description="two fractions")]


@checked("group")
def build(
    count: Count = 1,
    rate: Positive = 0.1,
    share: Annotated[float, Field(ge=0, lt=1)] = 0,
    scope: Literal["global", "layer"] = "global",
    target: Natural | Literal["all"] = 0,
    patience: Count | None = None,
    held: bool = True,
    pair: Pair = (0, 1),
    **others: Any,
) -> dict[str, Any]:
    return locals()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("count", 0, "a whole number ≥ 1"),
        ("count", True, "a whole number ≥ 1"),
        ("count", "3", "a whole number ≥ 1"),
        ("count", 1.0, "a whole number ≥ 1"),
        ("rate", 0, "a number > 0"),
        ("rate", float("inf"), "a number > 0"),
        ("rate", float("nan"), "a number > 0"),
        ("share", 1, "a number ≥ 0 and < 1"),
        ("scope", "both", "one of global, layer"),
        ("target", "none", "a whole number ≥ 0 or all"),
        ("patience", 0, "a whole number ≥ 1 or null"),
        ("held", 1, "true or false"),
        ("pair", [0, 2], "two fractions"),
        ("pair", [0, True], "two fractions"),
        ("pair", "01", "two fractions"),
    ],
)
def test_a_wrong_setting_is_one_line(name: str, value: Any, expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        build(**{name: value})
    assert str(error.value) == f"expected group.{name} to be {expected}, got {value!r}: set {expected}"


def test_right_settings_arrive_as_they_are_annotated() -> None:
    arrived = build(2, 1, pair=OmegaConf.create([0, 0.5]), other="anything")
    assert arrived == build(2, 1.0, pair=(0.0, 0.5), other="anything")
    assert isinstance(arrived["rate"], float) and isinstance(arrived["pair"], tuple)


def test_a_group_may_be_named_where_the_settings_are_used() -> None:
    def settings(epochs: Count) -> int:
        return epochs

    assert call("finetune", settings, epochs=3) == 3
    with pytest.raises(ConfigError, match=r"^expected finetune.epochs to be"):
        call("finetune", settings, epochs=0)


def test_a_setting_that_does_not_exist_is_what_it_always_was() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'epochs'"):
        call("finetune", lambda epochs: epochs)


class Kind:
    def __init_subclass__(cls) -> None:
        take_settings(cls, "group")


class Rated(Kind):
    rate: Fraction = 0.5
    told = "no setting"


class Lower(Rated):
    rate = 0.1
    count: Count


class Lowest(Lower):
    rate: Fraction = 0.0


def test_what_a_class_annotates_are_its_settings_and_what_it_sets_anew_a_default() -> None:
    made = [Lower(count=3), Lower(count=3, rate=1), Lowest(count=2)]  # type: ignore[call-arg]
    assert [(each.count, each.rate) for each in made] == [(3, 0.1), (3, 1.0), (2, 0.0)]
    for wrong, error in (({"count": 0}, ConfigError), ({}, TypeError), ({"count": 1, "told": ""}, TypeError)):
        with pytest.raises(error):
            Lower(**wrong)


@pytest.mark.parametrize("wrong", [{"rate": 3}, {"rate": "0.5"}, {"__annotations__": {"steps": Count}, "steps": 0}])
def test_a_wrong_default_is_found_where_its_class_is_defined(wrong: dict[str, Any]) -> None:
    name, default = list(wrong.items())[-1]
    with pytest.raises(ConfigError) as error:
        type("Wrong", (Rated,), wrong)
    assert str(error.value).startswith(f"expected the default of group.{name} in Wrong to be ")
    assert f", got {default!r}: set " in str(error.value)


def test_a_constructor_that_is_written_out_stays() -> None:
    class Own(Lower):
        def __init__(self) -> None:
            super().__init__(count=7)  # type: ignore[call-arg]

    class Inherits(Own):
        pass

    assert Own().count == Inherits().count == 7
