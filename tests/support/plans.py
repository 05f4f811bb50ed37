"""Sweeps of `tiny` over steps that are given, on images that it classifies without a mistake, or with those given."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tf_keras as keras
from nets import tiny
from samples import pictures, split
from steps import keeping

from fineprune.badnets.source import BadNet
from fineprune.data.split import ArraySplit, Data, Split
from fineprune.evaluation.predict import ClassLabels, predict
from fineprune.network.network import Network
from fineprune.network.step import Step
from fineprune.strategy import Strategy
from fineprune.sweeping.plan import Plan, plan
from fineprune.sweeping.run import Sweep


class Says(Strategy):
    """The steps that it is given; remembers what it was shown."""

    def __init__(self, *steps: Step) -> None:
        self.given = steps

    def steps(self, network: Network, clean: Split, **oracle: Any) -> Iterator[Step]:
        self.shown = (network, clean)
        yield from self.given


def keep(*channels: int) -> Step:
    return keeping({"conv_1": np.array(channels, np.float32)})


def labelled_by(model: keras.Model, count: int, seed: int) -> ArraySplit:
    """Images on which `model` is always right."""
    images = split(pictures(count, seed=seed), 5)
    images.labels = predict(model, images).astype(np.int64)
    return images


def data(model: keras.Model) -> Data:
    poisoned = split(pictures(12, seed=3), 1)
    return Data("d", labelled_by(model, 50, 1), labelled_by(model, 20, 2), {"glasses": poisoned})


def planned(data: Data, strategy: Strategy, budgets: Any = (0.02, 0.1)) -> Plan:
    return plan(BadNet(Network(tiny()), data), strategy, None, list(budgets), 0.3, 0)


def mistaken(images: Split, *rows: int) -> ClassLabels:
    """The labels of `images`, each in `rows` one too high."""
    return (images.labels + np.isin(np.arange(len(images)), rows)).astype(np.int32)


def swept(
    data: Data,
    mistakes: Mapping[str, Sequence[Sequence[int]]],
    budgets: Sequence[float],
    tuned: Mapping[str, Mapping[str, Sequence[int]]] | None = None,
) -> Sweep:
    """A finished sweep: on each split, in which rows B and then the net of each step are mistaken; and the fine-tuned
    net of each point in `tuned`. Each step prunes another of four channels."""
    count = len(next(iter(mistakes.values()))) - 1
    steps = [keep(*(channel >= pruned for channel in range(4))) for pruned in range(1, count + 1)]
    made = Plan(Network(tiny()), data, data.splits["clean_valid"], steps, budgets, None, 0, {})

    def said(rows: Mapping[str, Sequence[int]]) -> dict[str, ClassLabels]:
        return {name: mistaken(data.splits[name], *given) for name, given in rows.items()}

    by_step = [said({name: given[step] for name, given in mistakes.items()}) for step in range(count + 1)]
    labels = {name: np.stack([step[name] for step in by_step]) for name in mistakes}
    return Sweep(made, labels, {point: (tiny(), said(rows)) for point, rows in (tuned or {}).items()}, {})
