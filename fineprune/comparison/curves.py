"""The steps of one finished sweep as a curve: what each costs, and what it leaves of the attack."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fineprune import names
from fineprune.data.split import CLEAN_TEST
from fineprune.names import GOODNET
from fineprune.tracking.read import FinishedSweep


def clean_accuracy(net: str) -> str:
    """The column of a net's accuracy on clean test images at each step."""
    return str(names.Rate(CLEAN_TEST, net, names.ACCURACY))


def mean_asr(steps: pd.DataFrame, net: str) -> pd.Series[float]:
    """The ASR of `net` at each step, averaged over triggers."""
    columns = [name for name, rate in names.rates(steps.columns).items() if (rate.net, rate.rate) == (net, names.ASR)]
    return steps[columns].mean(axis=1)


def regret(run: FinishedSweep, point: str) -> float:
    """What choosing without poisoned images costs: the GoodNet's ASR at `point`, less the smallest at the same price.

    The smallest ASR is that of all steps of the sweep whose clean test accuracy is at least that at the point. Fraction
    in [0, 1]; NaN where either rate was not measured.
    """
    accuracy = run.metrics.get(str(names.Rate(CLEAN_TEST, GOODNET, names.ACCURACY, point)), np.nan)
    there = [
        run.metrics[name]
        for name, rate in names.rates(run.metrics).items()
        if (rate.net, rate.rate, rate.point) == (GOODNET, names.ASR, point)
    ]
    if not there or clean_accuracy(GOODNET) not in run.steps:
        return np.nan
    affordable = run.steps[clean_accuracy(GOODNET)] >= accuracy - 1e-9
    return float(np.maximum(0, np.mean(there) - mean_asr(run.steps[affordable], GOODNET).min()))
