"""From labels to rates: fractions in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fineprune import names
from fineprune.data.split import CLEAN_TEST, CLEAN_VALID, Data, Split
from fineprune.goodnet import agree
from fineprune.names import GOODNET, PRUNED, Rate
from fineprune.network.step import Step

LabelsBySplit = Mapping[str, NDArray[Any]]


def rates(name: str, split: Split, poisoned: bool, badnet: NDArray[Any], pruned: NDArray[Any]) -> dict[str, float]:
    """The rates of B′, whose labels for `split` are `pruned` (n,), and of the GoodNet that it makes with B.

    They are called by the split's `name`, as `clean_test/goodnet_accuracy`. On a clean split: accuracy, and the share
    that the GoodNet rejects. On a poisoned one: the share given the attacker's target (ASR), the share rejected, and,
    where true classes are known, the share given the true class.
    """
    shares = {
        str(Rate(name, PRUNED, names.ASR if poisoned else names.ACCURACY)): float(np.mean(pruned == split.labels))
    }
    shares |= goodnet_rates(name, split, poisoned, agree(badnet, pruned, rejected=-1), rejected=-1)
    if poisoned and split.true_labels is not None:
        shares[str(Rate(name, PRUNED, names.ROBUST_ACCURACY))] = float(np.mean(pruned == split.true_labels))
    return shares


def goodnet_rates(name: str, split: Split, poisoned: bool, labels: NDArray[Any], rejected: int) -> dict[str, float]:
    """Those of them that are rates of the GoodNet, whose labels are `labels` (n,), `rejected` for "backdoored"."""
    given, found = (names.ASR, names.DETECTION_RATE) if poisoned else (names.ACCURACY, names.FALSE_POSITIVE_RATE)
    return {
        str(Rate(name, GOODNET, given)): float(np.mean(labels == split.labels)),
        str(Rate(name, GOODNET, found)): float(np.mean(labels == rejected)),
    }


def all_rates(data: Data, badnet: LabelsBySplit, pruned: LabelsBySplit) -> dict[str, float]:
    """The rates on every split, from the labels (n,) of each.

    Of clean_valid, which chooses the step, only the accuracy of B′ is reported.
    """
    reported: dict[str, float] = {}
    accuracy = str(Rate(CLEAN_VALID, PRUNED, names.ACCURACY))
    for name, split in data.splits.items():
        measured = rates(name, split, name in data.poisoned, badnet[name], pruned[name])
        reported |= {accuracy: measured[accuracy]} if name == CLEAN_VALID else measured
    return reported


def of_net(point: Mapping[str, float], net: str) -> dict[str, dict[str, float]]:
    """Of the rates in `point`, as `clean_test/goodnet_accuracy`, those of `net`, by split and rate."""
    by_split: dict[str, dict[str, float]] = {}
    for key, rate in names.rates(point).items():
        if rate.net == net:
            by_split.setdefault(rate.split, {})[rate.rate] = point[key]
    return by_split


def performance(steps: Sequence[Step], data: Data, labels: LabelsBySplit) -> pd.DataFrame:
    """One row a step; row 0 is the untouched BadNet. `labels` are (1 + steps, n) for each split.

    How far each step goes stands in a column with the strategy's name for it. The untouched BadNet has a value there
    only if that is the share pruned.
    """
    rows = []
    for row, step in enumerate([Step(amount_name=steps[0].amount_name), *steps]):
        counts = {"step": row, "pruned": step.pruned, "total": steps[0].total, names.FRACTION_PRUNED: step.fraction}
        badnet, pruned = ({name: steps_labels[at] for name, steps_labels in labels.items()} for at in (0, row))
        rows.append(counts | {step.amount_name: step.amount} | all_rates(data, badnet, pruned))
    return pd.DataFrame(rows)


def defence_effectiveness(table: pd.DataFrame) -> pd.DataFrame:
    """The DER of B′ and of the GoodNet on each poisoned split: (max(0, ΔASR) − max(0, ΔACC) + 1) / 2.

    Zhu et al. (2023). Δ is the fall since row 0; accuracy is that on clean_test; without clean_test there is no DER.
    """
    ratings = {}
    for asr, rate in names.rates(table.columns).items():
        accuracy = str(Rate(CLEAN_TEST, rate.net, names.ACCURACY))
        if rate.rate == names.ASR and accuracy in table:
            fall = {key: (table[key].iloc[0] - table[key]).clip(lower=0) for key in (asr, accuracy)}
            ratings[str(Rate(rate.split, rate.net, names.DER))] = (fall[asr] - fall[accuracy] + 1) / 2
    return pd.DataFrame(ratings, index=table.index)
