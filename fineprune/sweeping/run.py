"""The main job: prune step by step, measure every step, choose a step for each budget, fine-tune it if so set."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pandas as pd
import tf_keras as keras

from fineprune.data.split import CLEAN_VALID
from fineprune.evaluation.predict import ClassLabels, predict, predict_steps
from fineprune.names import BACKWARD_PASSES, BADNET, FORWARD_PASSES, PRUNED, SECONDS, TUNED, net_at
from fineprune.network.passes import Passes
from fineprune.progress import bar
from fineprune.sweeping import budgets, layer_table
from fineprune.sweeping.aftermath import outcomes
from fineprune.sweeping.metrics import all_rates, defence_effectiveness, performance
from fineprune.sweeping.outcomes import COLUMNS, Outcome
from fineprune.sweeping.plan import Plan
from fineprune.training.fine_tuning import FineTuning

Tuned = tuple[keras.Model, Mapping[str, ClassLabels]]


@dataclass(frozen=True)
class Sweep:
    """The measured sweep.

    `labels` are, for each split, the labels by the net of every step, (1 + steps, n). `tuned` holds, by the name of a
    point, the fine-tuned net and its labels, (n,) for each split. `passes` are the images that each part sent through
    the network, measuring left out. `outcomes` say what became of the nets of each point in the aftermath.
    """

    plan: Plan
    labels: Mapping[str, ClassLabels]
    tuned: Mapping[str, Tuned]
    seconds: Mapping[str, float]
    passes: Mapping[str, Passes] = field(default_factory=dict)
    outcomes: Sequence[Outcome] = ()

    @property
    def costs(self) -> dict[str, dict[str, float]]:
        """What each part took: seconds, and passes forward and backward over the clean validation images."""
        passes = {part: images.over(self.plan.clean_images) for part, images in self.passes.items()}
        return {
            SECONDS: dict(self.seconds),
            FORWARD_PASSES: {part: each.forward for part, each in passes.items()},
            BACKWARD_PASSES: {part: each.backward for part, each in passes.items()},
        }

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
        """The first row at or over each budget, by its name; None where no step gets there."""
        return choose(self.plan, self.labels[CLEAN_VALID])

    @property
    def points(self) -> dict[str, int]:
        """The row to report at each budget, by its name; the last alone, as END, where there are no budgets."""
        return points(self.chosen, len(self.plan.steps))

    @cached_property
    def nets(self) -> dict[str, keras.Model]:
        """The BadNet and, at each point, the pruned net and the same net fine-tuned, by their files' names."""
        nets = {BADNET: self.plan.network.model}
        for point, row in self.points.items():
            nets[net_at(PRUNED, point)] = self.plan.network.pruned(self.plan.steps[row - 1])
            if point in self.tuned:
                nets[net_at(TUNED[PRUNED], point)] = self.tuned[point][0]
        return nets

    @cached_property
    def layers(self) -> pd.DataFrame:
        """What each of `nets` consists of."""
        return layer_table.layers(self.nets)

    @property
    def aftermath(self) -> pd.DataFrame:
        """A row for each of `outcomes`: the columns of `aftermath.csv`."""
        return pd.DataFrame(self.outcomes, columns=COLUMNS)

    def at(self, row: int) -> dict[str, Any]:
        """The rates of one row, DER included."""
        return {str(rate): value for rate, value in self.full_table.iloc[row].dropna().items()}

    def tuned_at(self, point: str) -> dict[str, float]:
        """The rates of the fine-tuned net at a point, under the same names; empty where there is no such net."""
        return self._tuned_rates.get(point, {})

    @cached_property
    def _tuned_rates(self) -> dict[str, dict[str, float]]:
        badnet = {name: labels[0] for name, labels in self.labels.items()}
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
    return {budgets.name(budget): budgets.first_step(correct, len(split), budget) for budget in planned.budgets}


def points(chosen: Mapping[str, int | None], last: int) -> dict[str, int]:
    """The row to report at each budget: the `chosen` one, or `last` where the budget is never reached.

    Then every step is within the budget, and the last, which is pruned most, is what a defender would deploy. So each
    sweep has a net at each budget, and whatever is averaged over sweeps is averaged over the same ones at all budgets.
    """
    return {name: last if row is None else row for name, row in chosen.items()} or {budgets.END: last}


def run(planned: Plan) -> Sweep:
    """Measure every step on every split, then fine-tune and measure the nets to report, and what becomes of them."""
    splits = planned.data.splits
    start = time.perf_counter()
    with bar() as progress:
        task = progress.add_task(f"sweeping {len(planned.steps)} steps", total=sum(map(len, splits.values())))
        labels = predict_steps(planned.network, planned.steps, splits, lambda images: progress.advance(task, images))
    measured_at = time.perf_counter()
    chosen = points(choose(planned, labels[CLEAN_VALID]), len(planned.steps))
    tuning = Passes()
    tuned = _tune(planned, planned.finetuning, chosen, tuning) if planned.finetuning else {}
    seconds = {"evaluation": measured_at - start, "finetuning": time.perf_counter() - measured_at}
    after = list(_aftermath(planned, labels, tuned, chosen)) if planned.stages else []
    passes = {**planned.passes, "finetuning": tuning}
    return Sweep(planned, labels, tuned, {**planned.seconds, **seconds}, passes, after)


def _tune(planned: Plan, finetuning: FineTuning, chosen: Mapping[str, int], passes: Passes) -> dict[str, Tuned]:
    """Fine-tune the net of each row once, whichever points share it, and add what that takes to `passes`."""
    tuned_rows: dict[int, Tuned] = {}
    for point, row in chosen.items():
        if row not in tuned_rows:
            title = f"fine-tuning at {point}"
            with passes.counting():
                net = finetuning.tune(planned.network, planned.steps[row - 1], planned.seen, planned.seed, title)
            tuned_rows[row] = net, {name: predict(net, split) for name, split in planned.data.splits.items()}
    return {point: tuned_rows[row] for point, row in chosen.items()}


def _aftermath(
    planned: Plan, labels: Mapping[str, ClassLabels], tuned: Mapping[str, Tuned], chosen: Mapping[str, int]
) -> Iterator[Outcome]:
    """What becomes of the nets of each row, computed once, whichever points share it."""
    by_row: dict[int, list[Outcome]] = {}
    for point, row in chosen.items():
        if row not in by_row:
            pruned = planned.network.pruned(planned.steps[row - 1])
            nets: dict[str, Tuned] = {PRUNED: (pruned, {name: by_step[row] for name, by_step in labels.items()})}
            nets |= {TUNED[PRUNED]: tuned[point]} if point in tuned else {}
            by_row[row] = [
                replace(outcome, net=name)
                for name, net in nets.items()
                for outcome in outcomes(planned.stages, *net, planned.data, planned.seen, planned.seed)
            ]
        yield from (replace(outcome, point=point) for outcome in by_row[row])
