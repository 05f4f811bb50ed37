"""How far to prune: the first step at which clean validation accuracy has fallen by a budget."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.errors import ConfigError, FinepruneError

END = "end"  # the point of the last step, reported where there are no budgets
MOST = 100  # each has nets of its own, which are measured and written
_PERCENT = "_percent"


def check(budgets: Any) -> list[float]:
    """`budgets` in ascending order, each once; raises ConfigError unless all are fractions in (0, 1]."""
    if isinstance(budgets, str) or not isinstance(budgets, Sequence):
        raise ConfigError(
            f"expected budgets to be a list, such as [0.02, 0.04, 0.10], got {budgets!r}: write them in brackets"
        )
    if len(budgets) > MOST:
        raise ConfigError(f"expected at most {MOST} budgets, got {len(budgets):,}: leave some out")
    for budget in budgets:
        if isinstance(budget, bool) or not isinstance(budget, int | float) or not 0 < budget <= 1:
            raise ConfigError(
                f"expected budgets to be falls of accuracy above 0 and up to 1, such as 0.02, got {budget!r}"
                ": write 0.02 for 2 %"
            )
    fractions = sorted({float(budget) for budget in budgets})
    if len(set(map(name, fractions))) < len(fractions):
        raise ConfigError(f"expected budgets that differ in their first six digits, got {fractions}: leave one out")
    return fractions


def name(budget: float) -> str:
    """0.02 as `2_percent`."""
    return f"{100 * budget:g}{_PERCENT}"


def fraction(budget: Any) -> Any:
    """`4 %` as 0.04; anything else as it is."""
    percent = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", budget) if isinstance(budget, str) else None
    return float(percent[1]) / 100 if percent else budget


def text(name: str) -> str:
    """`2_percent` as a person reads it."""
    return name.replace(_PERCENT, " %")


def logged(text: str) -> dict[str, float]:
    """The points of a run that logged its budgets as `text`: each budget by its name; without any, END, which has none.

    Raises FinepruneError where `text` is no such list.
    """
    try:
        return {name(budget): budget for budget in check(json.loads(text))} or {END: np.inf}
    except (ValueError, ConfigError) as reason:
        raise FinepruneError(
            f"expected a finished sweep to have logged budgets such as [0.02, 0.04], got {text[:80]!r}"
            ": leave it out by filter"
        ) from reason


def first_step(correct: NDArray[Any], images: int, budget: float) -> int | None:
    """The first row of `correct`, (1 + steps,) counts of right labels, whose fall reaches `budget`; None if none does.

    Counts are compared rather than accuracies, whose differences are not exact; 0.07 · 100 is above 7, too.
    """
    reached = correct[0] - correct >= budget * images * (1 - 1e-9)
    return int(np.argmax(reached)) if reached.any() else None
