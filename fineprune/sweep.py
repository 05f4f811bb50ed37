"""The main job: prune step by step, measure every step, and choose a step for each budget."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from fineprune import budgets as falls
from fineprune.badnets import BadNet
from fineprune.errors import ConfigError, NotApplicable
from fineprune.evaluation import ClassLabels, predict_steps
from fineprune.metrics import CLEAN_VALID, defence_effectiveness, performance
from fineprune.network import Network
from fineprune.progress import bar
from fineprune.splits import Data, Split
from fineprune.strategy import Step, Strategy


@dataclass(frozen=True)
class Plan:
    """A sweep that has been checked, and whose steps are known, but which has not been measured."""

    network: Network
    data: Data
    clean: Split
    steps: Sequence[Step]
    budgets: Sequence[float]
    seconds: float


@dataclass(frozen=True)
class Sweep:
    """What a sweep found. `labels` are, for each split, what every step's net says, (1 + steps, n)."""

    plan: Plan
    labels: Mapping[str, ClassLabels]
    seconds: Mapping[str, float]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a step, from the untouched BadNet on: the columns of `performance.csv`."""
        return performance(self.plan.steps, self.plan.data, self.labels)

    @cached_property
    def full_table(self) -> pd.DataFrame:
        """`table` with the defence effectiveness ratings beside it."""
        return pd.concat([self.table, defence_effectiveness(self.table)], axis=1)

    @cached_property
    def chosen(self) -> dict[float, int | None]:
        """The row that each budget leads to, decided on clean validation alone."""
        clean = self.plan.clean
        correct = (self.labels[CLEAN_VALID] == clean.labels).sum(axis=1)
        return {budget: falls.first_step(correct, len(clean), budget) for budget in self.plan.budgets}

    @property
    def reached(self) -> dict[float, int]:
        """The budgets that some step reaches, with that row."""
        return {budget: row for budget, row in self.chosen.items() if row is not None}

    def at(self, row: int) -> dict[str, Any]:
        """The rates of one row, DER included."""
        return {str(rate): value for rate, value in self.full_table.iloc[row].items()}


def plan(badnet: BadNet, strategy: Strategy, budgets: Sequence[Any]) -> Plan:
    """Check that everything fits, and let the strategy say its steps. Raises what the user has to mend."""
    checked = falls.check(budgets)
    network, data = Network(badnet.model), badnet.data
    if data.clean_valid is None:
        raise ConfigError(
            "expected data.clean_valid, which ranks channels and sets budgets, got none: set data.clean_valid=FILE"
        )
    for name, split in data.splits.items():
        network.check_takes(split, name)
    for split in data.splits.values():
        _ = split.digest
    start = time.perf_counter()
    steps = list(strategy.steps(network, data.clean_valid))
    if not steps:
        raise NotApplicable("expected the strategy to have something to prune, got no step")
    return Plan(network, data, data.clean_valid, steps, checked, time.perf_counter() - start)


def run(planned: Plan) -> Sweep:
    """Measure every step on every split."""
    splits = planned.data.splits
    start = time.perf_counter()
    with bar() as progress:
        task = progress.add_task(f"sweeping {len(planned.steps)} steps", total=sum(map(len, splits.values())))
        labels = predict_steps(planned.network, planned.steps, splits, lambda images: progress.advance(task, images))
    return Sweep(planned, labels, {"strategy": planned.seconds, "evaluation": time.perf_counter() - start})
