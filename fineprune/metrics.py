"""From labels to rates: fractions in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fineprune.goodnet import agree
from fineprune.splits import Data, Split
from fineprune.strategy import Step

CLEAN_VALID = "clean_valid"
CLEAN_TEST = "clean_test"

Labelled = Mapping[str, NDArray[Any]]


def rates(split: Split, poisoned: bool, badnet: NDArray[Any], pruned: NDArray[Any]) -> dict[str, float]:
    """How B′, whose labels for `split` are `pruned` (n,), and the GoodNet that it makes with B do.

    On a clean split: accuracy, and the share that the GoodNet rejects. On a poisoned one: the share given the
    attacker's target (ASR), the share rejected, and, where it is known, the share given the true class.
    """
    goodnet = agree(badnet, pruned, rejected=-1)
    hit, missed = ("asr", "detection_rate") if poisoned else ("accuracy", "false_positive_rate")
    found = {
        f"pruned_{hit}": np.mean(pruned == split.labels),
        f"goodnet_{hit}": np.mean(goodnet == split.labels),
        f"goodnet_{missed}": np.mean(goodnet == -1),
    }
    if poisoned and split.true_labels is not None:
        found["pruned_robust_accuracy"] = np.mean(pruned == split.true_labels)
    return {rate: float(value) for rate, value in found.items()}


def all_rates(data: Data, badnet: Labelled, pruned: Labelled) -> dict[str, float]:
    """The rates on every split, as `clean_test/goodnet_accuracy` and so on, from the labels (n,) of each.

    Of clean_valid, which chooses the step, only the accuracy of B′ is told.
    """
    found: dict[str, float] = {}
    for name, split in data.splits.items():
        measured = rates(split, name in data.poisoned, badnet[name], pruned[name])
        kept = ["pruned_accuracy"] if name == CLEAN_VALID else measured
        found |= {f"{name}/{rate}": measured[rate] for rate in kept}
    return found


def of_net(point: Mapping[str, float], net: str) -> dict[str, dict[str, float]]:
    """Of the rates in `point`, as `clean_test/goodnet_accuracy`, those of `net`, by split and rate."""
    found: dict[str, dict[str, float]] = {}
    for key, value in point.items():
        split, _, rate = key.partition("/")
        if rate.startswith(f"{net}_"):
            found.setdefault(split, {})[rate.removeprefix(f"{net}_")] = value
    return found


def performance(steps: Sequence[Step], data: Data, labels: Labelled) -> pd.DataFrame:
    """One row a step; row 0 is the untouched BadNet. `labels` are (1 + steps, n) for each split."""
    total = steps[0].total
    rows = []
    for step, pruned in enumerate([0, *(step.pruned for step in steps)]):
        count = {"step": step, "pruned": pruned, "total": total, "fraction_pruned": pruned / total if total else 0.0}
        badnet, theirs = ({name: found[row] for name, found in labels.items()} for row in (0, step))
        rows.append(count | all_rates(data, badnet, theirs))
    return pd.DataFrame(rows)


def defence_effectiveness(table: pd.DataFrame) -> pd.DataFrame:
    """The DER of B′ and of the GoodNet on each poisoned split: (max(0, ΔASR) − max(0, ΔACC) + 1) / 2.

    Zhu et al. (2023). Δ is the fall since row 0; accuracy is that on clean_test, and without it there is no DER.
    """
    found = {}
    for column in table.columns[table.columns.str.endswith("_asr")]:
        split, net = column.removesuffix("_asr").split("/")
        accuracy = f"{CLEAN_TEST}/{net}_accuracy"
        if accuracy in table:
            fall = {key: (table[key].iloc[0] - table[key]).clip(lower=0) for key in (column, accuracy)}
            found[f"{split}/{net}_der"] = (fall[column] - fall[accuracy] + 1) / 2
    return pd.DataFrame(found, index=table.index)
