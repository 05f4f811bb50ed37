"""The main job: prune step by step, measure every step, choose a step for each budget, fine-tune it if asked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd
import tensorflow as tf
import tf_keras as keras

from fineprune import budgets as falls
from fineprune.anatomy import layers
from fineprune.badnets import BadNet
from fineprune.errors import ConfigError, NotApplicable
from fineprune.evaluation import ClassLabels, predict, predict_steps
from fineprune.finetuning import FineTuning
from fineprune.metrics import CLEAN_VALID, all_rates, defence_effectiveness, performance
from fineprune.network import Network
from fineprune.progress import bar
from fineprune.splits import Data, Split, hold_out
from fineprune.strategy import Step, Strategy

BADNET = "badnet"
END = "end"

Tuned = tuple[keras.Model, Mapping[str, ClassLabels]]


@dataclass(frozen=True)
class Plan:
    """A sweep that has been checked, and whose steps are known, but which has not been measured.

    `seen` is what the strategy saw of clean validation, and fine-tuning may see; `data` holds what is measured, its
    `clean_valid` the images that budgets are judged by: others where something trains and there are budgets, else the
    same.
    """

    network: Network
    data: Data
    seen: Split
    steps: Sequence[Step]
    budgets: Sequence[float]
    finetuning: FineTuning | None
    seed: int
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Sweep:
    """What a sweep found.

    `labels` are, for each split, what every step's net says, (1 + steps, n); `tuned`, by the name of a point, the
    fine-tuned net and its labels, (n,).
    """

    plan: Plan
    labels: Mapping[str, ClassLabels]
    tuned: Mapping[str, Tuned]
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
    def chosen(self) -> dict[str, int | None]:
        """The row that each budget leads to, by its name."""
        return choose(self.plan, self.labels[CLEAN_VALID])

    @property
    def points(self) -> dict[str, int]:
        """The rows to report: of each budget that is reached, and of the last step where one is not."""
        return points(self.chosen, len(self.plan.steps))

    @cached_property
    def nets(self) -> dict[str, keras.Model]:
        """The BadNet and, at each point, the pruned net and what fine-tuning made of it, by their files' names."""
        found = {BADNET: self.plan.network.model}
        for point, row in self.points.items():
            found[f"pruned_{point}"] = self.plan.network.pruned(self.plan.steps[row - 1])
            if point in self.tuned:
                found[f"finetuned_{point}"] = self.tuned[point][0]
        return found

    @cached_property
    def anatomy(self) -> pd.DataFrame:
        """What each of `nets` consists of."""
        return layers(self.nets)

    def at(self, row: int) -> dict[str, Any]:
        """The rates of one row, DER included."""
        return {str(rate): value for rate, value in self.full_table.iloc[row].items()}

    def tuned_at(self, point: str) -> dict[str, float]:
        """The rates of the fine-tuned net at a point, under the same names; none where there is no such net."""
        return self._tuned_rates.get(point, {})

    @cached_property
    def _tuned_rates(self) -> dict[str, dict[str, float]]:
        badnet = {name: found[0] for name, found in self.labels.items()}
        rates = {}
        for point, (_, labels) in self.tuned.items():
            row = all_rates(self.plan.data, badnet, labels)
            rated = defence_effectiveness(pd.DataFrame([self.table.iloc[0][list(row)].to_dict(), row])).iloc[1]
            rates[point] = row | {str(rate): float(value) for rate, value in rated.items()}
        return rates


def choose(planned: Plan, clean: ClassLabels) -> dict[str, int | None]:
    """The first row at or over each budget, decided on the labels of clean validation, (1 + steps, n), alone."""
    split = planned.data.splits[CLEAN_VALID]
    correct = (clean == split.labels).sum(axis=1)
    return {falls.name(budget): falls.first_step(correct, len(split), budget) for budget in planned.budgets}


def points(chosen: Mapping[str, int | None], last: int) -> dict[str, int]:
    """The rows that budgets led to, by name, and `last` as END where one led to none and `last` is not among them."""
    reached = {name: row for name, row in chosen.items() if row is not None}
    complete = len(reached) == len(chosen) > 0 or last in reached.values()
    return reached if complete else reached | {END: last}


def plan(
    badnet: BadNet,
    strategy: Strategy,
    finetuning: FineTuning | None,
    budgets: Sequence[Any],
    held_out: float,
    seed: int,
) -> Plan:
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
        _ = split.digest  # reads it all, so that damage shows now
    seen = clean = data.clean_valid
    if checked and (strategy.trains or finetuning is not None):
        seen, judge = hold_out(data.clean_valid, held_out, seed)
        data = replace(data, clean_valid=judge)
    if finetuning is not None:
        finetuning.recipe.check_images(len(seen))
    start = time.perf_counter()
    steps = list(strategy.steps(network, seen))
    for step in steps:
        network.check_step(step)
    if not steps:
        raise NotApplicable(
            "expected the strategy to have something to prune, got no step"
            ": set others of its settings, or take strategy=none"
        )
    seconds = {"strategy": time.perf_counter() - start, "forward": _seconds_forward(network, clean)}
    return Plan(network, data, seen, steps, checked, finetuning, seed, seconds)


def _seconds_forward(network: Network, split: Split) -> float:
    """One plain forward pass over `split`, by a function that is compiled already: the unit of what a sweep costs."""
    signature = [tf.TensorSpec((None, *network.input_shape))]
    forward = tf.function(lambda images: network.model(images, training=False), signature)
    forward(next(split.blocks())[1])
    start = time.perf_counter()
    for _, images in split.blocks():
        forward(images).numpy()
    return time.perf_counter() - start


def run(planned: Plan) -> Sweep:
    """Measure every step on every split, then fine-tune and measure the nets to report."""
    splits = planned.data.splits
    start = time.perf_counter()
    with bar() as progress:
        task = progress.add_task(f"sweeping {len(planned.steps)} steps", total=sum(map(len, splits.values())))
        labels = predict_steps(planned.network, planned.steps, splits, lambda images: progress.advance(task, images))
    swept = time.perf_counter()
    chosen = points(choose(planned, labels[CLEAN_VALID]), len(planned.steps))
    tuned = _tune(planned, planned.finetuning, chosen) if planned.finetuning else {}
    seconds = {"evaluation": swept - start, "finetuning": time.perf_counter() - swept}
    return Sweep(planned, labels, tuned, {**planned.seconds, **seconds})


def _tune(planned: Plan, finetuning: FineTuning, chosen: Mapping[str, int]) -> dict[str, Tuned]:
    """Fine-tune the net of each row once, whichever points share it."""
    of_row: dict[int, Tuned] = {}
    for point, row in chosen.items():
        if row not in of_row:
            what = f"fine-tuning at {point}"
            net = finetuning.tune(planned.network, planned.steps[row - 1], planned.seen, planned.seed, what)
            of_row[row] = net, {name: predict(net, split) for name, split in planned.data.splits.items()}
    return {point: of_row[row] for point, row in chosen.items()}
