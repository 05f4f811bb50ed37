"""One figure for a whole sweep: the area under the curve of attack success against clean accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fineprune.comparison.ranking import means
from fineprune.logged import Finished

LARGEST_FALL = 0.10


def area(accuracy: NDArray[Any], asr: NDArray[Any], largest_fall: float = LARGEST_FALL) -> float:
    """The mean over all falls of clean accuracy from 0 to `largest_fall` of the smallest ASR attainable at that fall.

    `accuracy` and `asr`, (1 + steps,), start with the untouched net, from which falls are counted. The smallest ASR
    attainable at a fall of x is that of the best step whose fall is x or less, so it is a staircase that only goes
    down. Fraction in [0, 1], the lower the better: an ASR of 1 throughout gives 1, a backdoor that goes at no price 0.
    It chooses steps by test images: it describes a curve, and nobody could defend by it.
    """
    falls = np.maximum(0, accuracy[0] - accuracy)
    within = falls <= largest_fall
    order = np.argsort(falls[within], kind="stable")
    smallest = np.minimum.accumulate(asr[within][order])
    edges = np.append(falls[within][order], largest_fall)
    return float((smallest * np.diff(edges)).sum() / largest_fall)


def areas(runs: Sequence[Finished], results: pd.DataFrame) -> pd.DataFrame:
    """For each method without fine-tuning, attack and seed the areas `goodnet_area` and `pruned_area`.

    Of several triggers the mean ASR counts.
    """
    steps = {run.id: run.steps for run in runs}
    known = results[~results["finetuned"] & (results["trigger"] != "")].drop_duplicates(["method", "attack", "seed"])
    rows = [
        {name: row[name] for name in ("method", "attack", "seed", "oracle")}
        | {f"{net}_area": _area(steps[row["run"]], net) for net in ("goodnet", "pruned")}
        for row in known.to_dict("records")
    ]
    return pd.DataFrame(rows, columns=["method", "attack", "seed", "oracle", "goodnet_area", "pruned_area"]).astype(
        {"oracle": bool}
    )


def mean_areas(found: pd.DataFrame) -> pd.DataFrame:
    """The mean over seeds and its interval for each attack and method, the smallest area of the GoodNet first."""
    table = means(found[~found["oracle"]], ["attack", "method"], ["goodnet_area", "pruned_area"])
    return table.sort_values(["attack", "goodnet_area"]) if len(table) else table


def mean_asr(steps: pd.DataFrame, net: str) -> pd.Series[float]:
    """The ASR of `net` at each step, averaged over triggers."""
    return steps[[name for name in steps if str(name).endswith(f"/{net}_asr")]].mean(axis=1)


def _area(steps: pd.DataFrame, net: str) -> float:
    name = f"clean_test/{net}_accuracy"
    if name not in steps or steps.empty:
        return np.nan
    return area(steps[name].to_numpy(), mean_asr(steps, net).to_numpy())
