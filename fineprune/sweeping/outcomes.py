"""What a stage after the defence did to a net, as it is logged and read back; a comparison has no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np

PREFIX = "aftermath"
PLACE = ("point", "net", "stage", "trigger")
RATES = ("accuracy_before", "accuracy_after", "asr_before", "asr_after")
COLUMNS = [*PLACE, "poisoned", *RATES]


@dataclass(frozen=True)
class Outcome:
    """What a stage did to a net: to that called `net`, `pruned` or `finetuned`, at one `point` of a sweep.

    Accuracy is that on clean_test, ASR that on the images with `trigger`, both fractions, NaN where not measured.
    `poisoned` is how many of these images the stage was given: they are measured neither before nor after.
    """

    stage: str
    trigger: str
    poisoned: int
    accuracy_before: float
    accuracy_after: float
    asr_before: float
    asr_after: float
    net: str = ""
    point: str = ""

    def metrics(self) -> dict[str, float]:
        """Its rates, as `aftermath/2_percent/pruned/retuning/sunglasses/asr_after`."""
        place = "/".join(filter(None, [PREFIX, self.point, self.net, self.stage, self.trigger]))
        return {f"{place}/{rate}": value for rate in RATES if not np.isnan(value := getattr(self, rate))}


def parse(metrics: Mapping[str, float]) -> list[dict[str, str | float]]:
    """What `Outcome.metrics` wrote into `metrics`: a row for each outcome, with its place and its rates."""
    rows: dict[tuple[str, ...], dict[str, str | float]] = {}
    for name, value in metrics.items():
        *parts, rate = name.split("/")
        if parts[:1] == [PREFIX] and len(place := parts[1:]) >= 3 and rate in RATES:
            at = (*place[:3], "/".join(place[3:]))
            rows.setdefault(at, {**dict(zip(PLACE, at, strict=True)), **dict.fromkeys(RATES, nan)})[rate] = value
    return list(rows.values())
