"""One number for a whole sweep: the area under the curve of attack success against clean accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fineprune.comparison.curves import clean_accuracy, mean_asr
from fineprune.comparison.ranking import means
from fineprune.names import GOODNET, PRUNED, UNTOUCHED, column
from fineprune.tracking.read import FinishedSweep

LARGEST_FALL = 0.10
AREA = "area"
NETS = (GOODNET, PRUNED)
COLUMNS = [column(net, AREA) for net in NETS]


def area(accuracy: NDArray[Any], asr: NDArray[Any], largest_fall: float = LARGEST_FALL) -> float:
    """The mean over all falls of clean accuracy from 0 to `largest_fall` of the smallest ASR attainable at that fall.

    `accuracy` and `asr`, (1 + steps,), start with the untouched net, from which falls are counted. The smallest ASR
    attainable at a fall of x is that of the best step whose fall is x or less, so it is a staircase that only goes
    down. Fraction in [0, 1], the lower the better: an ASR of 1 throughout gives 1, a backdoor removed at no price 0.
    It chooses steps by test images, so it describes a curve, and no defender could use it.
    """
    falls = np.maximum(0, accuracy[0] - accuracy)
    within = falls <= largest_fall
    order = np.argsort(falls[within], kind="stable")
    smallest = np.minimum.accumulate(asr[within][order])
    edges = np.append(falls[within][order], largest_fall)
    return float((smallest * np.diff(edges)).sum() / largest_fall)


def areas(runs: Sequence[FinishedSweep], results: pd.DataFrame) -> pd.DataFrame:
    """For each method without fine-tuning, attack and seed the areas `goodnet_area` and `pruned_area`.

    With several triggers, their mean ASR counts.
    """
    steps = {run.id: run.steps for run in runs}
    attacked = results[~results["finetuned"] & (results["trigger"] != "")].drop_duplicates(["method", "attack", "seed"])
    rows = [
        {name: row[name] for name in ("method", "attack", "seed", "oracle")}
        | {column(net, AREA): _area(_steps(row, steps), net) for net in NETS}
        for row in attacked.to_dict("records")
    ]
    return pd.DataFrame(rows, columns=["method", "attack", "seed", "oracle", *COLUMNS]).astype({"oracle": bool})


def mean_areas(areas: pd.DataFrame) -> pd.DataFrame:
    """The mean over seeds and its interval for each attack and method, the smallest area of the GoodNet first."""
    table = means(areas[~areas["oracle"]], ["attack", "method"], COLUMNS)
    return table.sort_values(["attack", column(GOODNET, AREA)]) if len(table) else table


def _steps(row: Mapping[Any, Any], steps: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The steps of its run; of the untouched BadNet the first alone."""
    return steps[row["run"]].head(1) if row["method"] == UNTOUCHED else steps[row["run"]]


def _area(steps: pd.DataFrame, net: str) -> float:
    name = clean_accuracy(net)
    if name not in steps or steps.empty:
        return np.nan
    return area(steps[name].to_numpy(), mean_asr(steps, net).to_numpy())
