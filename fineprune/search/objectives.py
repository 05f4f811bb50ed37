"""What a trial is worth: the more, the better. All but oracles see clean validation images alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fineprune import names
from fineprune.data.split import CLEAN_VALID
from fineprune.report import headline
from fineprune.sweeping.run import Sweep


def clean(sweep: Sweep, point: str) -> float:
    """TODO."""
    return float(sweep.plan.steps[sweep.points[point] - 1].fraction)


def asr(sweep: Sweep, point: str) -> float:
    """An oracle: 1 − the GoodNet's ASR, as a mean over triggers, less what B′ costs of clean validation accuracy."""
    return 1 - headline.rates(sweep, point)[names.ASR] - price(sweep, point)


def price(sweep: Sweep, point: str) -> float:
    """By how much clean validation accuracy falls from B to B′, fine-tuned if any is; not below 0."""
    accuracy = str(names.Rate(CLEAN_VALID, names.PRUNED, names.ACCURACY))
    now = sweep.tuned_at(point) or sweep.at(sweep.points[point])
    return max(0.0, float(sweep.at(0)[accuracy] - now[accuracy]))


OBJECTIVES: Mapping[str, Callable[[Sweep, str], float]] = {"clean": clean, "asr": asr}
ABOUT = {"clean": "TODO", "asr": "1 − ASR − price"}
