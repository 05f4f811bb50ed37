"""A budget leads to the first step at or over it."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune.errors import ConfigError
from fineprune.sweeping import budgets


def first(correct: list[int], images: int, budget: float) -> int | None:
    return budgets.first_step(np.array(correct), images, budget)


def test_the_step_that_lies_exactly_at_the_budget_is_taken() -> None:
    assert first([50, 50, 49, 48, 40], 50, 0.02) == 2
    assert first([50, 50, 49, 48, 40], 50, 0.04) == 3


def test_just_below_the_budget_is_not_enough() -> None:
    assert first([100, 99, 97], 100, 0.02) == 2


def test_a_step_may_pass_two_budgets_at_once() -> None:
    correct = [100, 99, 95, 80]
    assert [first(correct, 100, budget) for budget in (0.02, 0.04, 0.10)] == [2, 2, 3]


def test_a_budget_may_never_be_reached() -> None:
    assert first([100, 99, 98], 100, 0.10) is None


def test_a_later_recovery_changes_nothing() -> None:
    assert first([100, 98, 100, 98], 100, 0.02) == 1


def test_falls_are_counted_from_the_badnet_and_not_from_perfection() -> None:
    assert first([90, 89, 88], 100, 0.02) == 2


def test_the_untouched_badnet_is_no_step_however_small_the_budget() -> None:
    assert first([100, 100, 99], 100, 1e-9) == 2


@given(st.lists(st.integers(0, 400), min_size=1, max_size=30), st.integers(1, 1000))
def test_equal_to_a_search_in_exact_fractions(correct: list[int], permille: int) -> None:
    budget, images = Fraction(permille, 1000), 400
    over = [row for row, right in enumerate(correct) if Fraction(correct[0] - right, images) >= budget]
    assert first(correct, images, permille / 1000) == (over[0] if over else None)


def test_budgets_are_sorted_and_each_taken_once() -> None:
    assert budgets.check([0.1, 0.02, 1, 0.1]) == [0.02, 0.1, 1.0]


@pytest.mark.parametrize("budget", [0, -0.1, 2, "0.02", True, float("nan"), None])
def test_budgets_that_are_none(budget: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"^expected budgets to be falls of accuracy above 0 and up to 1, such as 0.02"
    ):
        budgets.check([0.02, budget])


@pytest.mark.parametrize("given_", [0.02, None])
def test_budgets_that_are_no_list(given_: Any) -> None:
    with pytest.raises(ConfigError, match=r"^expected budgets to be "):
        budgets.check(given_)


def test_budgets_have_a_number_that_a_sweep_can_end_with() -> None:
    falls = [number / 1000 for number in range(1, budgets.MOST + 2)]
    assert budgets.check(falls[:-1]) == falls[:-1]
    with pytest.raises(ConfigError, match=r"^expected at most 100 budgets, got 101: leave some out$"):
        budgets.check(falls)


@pytest.mark.parametrize(("budget", "name"), [(0.02, "2_percent"), (0.1, "10_percent"), (0.025, "2.5_percent")])
def test_names(budget: float, name: str) -> None:
    assert budgets.name(budget) == name
