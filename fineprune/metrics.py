"""From labels to rates: fractions in [0, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fineprune.goodnet import agree
from fineprune.splits import Split
from fineprune.strategy import Step

CLEAN_VALID = "clean_valid"
CLEAN_TEST = "clean_test"


def rates(name: str, split: Split, badnet: NDArray[Any], pruned: NDArray[Any]) -> dict[str, float]:
    """How B′, whose labels for `split` are `pruned` (n,), and the GoodNet that it makes with B do, by name of column.

    On a clean split: accuracy, and the share that the GoodNet rejects. On a poisoned one: the share given the
    attacker's target (ASR), the share rejected, and, where it is known, the share given the true class.
    """
    goodnet = agree(badnet, pruned, rejected=-1)
    hits, goodnet_hits, rejected = (np.mean(pruned == split.labels), np.mean(goodnet == split.labels), np.mean(goodnet == -1))
    if name == CLEAN_VALID:
        found = {"pruned_accuracy": hits}
    elif name == CLEAN_TEST:
        found = {"pruned_accuracy": hits, "goodnet_accuracy": goodnet_hits, "goodnet_false_positive_rate": rejected}
    else:
        found = {"pruned_asr": hits, "goodnet_asr": goodnet_hits, "goodnet_detection_rate": rejected}
        if split.true_labels is not None:
            found["pruned_robust_accuracy"] = np.mean(pruned == split.true_labels)
    return {f"{name}/{rate}": float(value) for rate, value in found.items()}


def performance(steps: list[Step], splits: dict[str, Split], labels: dict[str, NDArray[Any]]) -> pd.DataFrame:
    """One row a step; row 0 is the untouched BadNet. `labels` are (1 + steps, n) for each split."""
    total = steps[0].total
    rows = []
    for row, pruned in enumerate([0, *(step.pruned for step in steps)]):
        counts = {"step": row, "pruned": pruned, "total": total, "fraction_pruned": pruned / total}
        measured = [rates(name, split, labels[name][0], labels[name][row]) for name, split in splits.items()]
        rows.append({key: value for part in (counts, *measured) for key, value in part.items()})
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
