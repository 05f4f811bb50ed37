"""Finished sweeps as MLflow would tell of them, made up."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fineprune.tracking.read import FinishedSweep

STEPS = pd.DataFrame(
    {
        "fraction_pruned": [0.0, 0.5, 1.0],
        "clean_test/goodnet_accuracy": [1.0, 0.9, 0.2],
        "clean_test/pruned_accuracy": [1.0, 0.9, 0.2],
        "patch/goodnet_asr": [1.0, 0.4, 0.0],
        "patch/pruned_asr": [1.0, 0.4, 0.0],
    }
)


def sweep(
    strategy: str = "ours",
    seed: int = 0,
    asr: float = 0.4,
    accuracy: float = 0.9,
    *,
    attack: str = "patch",
    finetune: str = "none",
    points: Sequence[str] = ("2_percent",),
    triggers: Mapping[str, float] | None = None,
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    steps: pd.DataFrame = STEPS,
) -> FinishedSweep:
    """A run on a BadNet of accuracy and ASR 1. The GoodNet has `accuracy` and `asr`, or the ASRs of `triggers`.

    Where it fine-tunes, the fine-tuned nets' ASR is half of that.
    """
    triggers = {attack: asr} if triggers is None else triggers
    metrics = {"badnet/clean_test/accuracy": 1.0, "seconds/strategy": 2.0, "seconds/finetuning": 4.0}
    metrics |= {f"badnet/{trigger}/asr": 1.0 for trigger in triggers}
    tuned = {"": 1.0} | ({"finetuned_": 0.5} if finetune != "none" else {})
    for point in points:
        metrics[f"at_{point}/fraction_pruned"] = 0.5
        for prefix, factor in tuned.items():
            nets = {"pruned": prefix.rstrip("_") or "pruned", "goodnet": f"{prefix}goodnet"}
            for name in nets.values():
                metrics[f"at_{point}/clean_test/{name}_accuracy"] = accuracy
                for trigger, rate in triggers.items():
                    metrics[f"at_{point}/{trigger}/{name}_asr"] = rate * factor
                    metrics[f"at_{point}/{trigger}/{name}_der"] = (1 - rate * factor - (1 - accuracy) + 1) / 2
            metrics[f"at_{point}/clean_test/{nets['goodnet']}_false_positive_rate"] = 0.1
    known = {"strategy": strategy, "finetune": finetune, "badnet": "trained", "attack": attack, "data": "faces"}
    falls = [float(point.removesuffix("_percent")) / 100 for point in points if point != "end"]
    settings = {"seed": str(seed), "budgets": str(falls), "strategy.chunk": "1", "attack.size": "4"}
    settings |= dict(params or {})
    return FinishedSweep(f"{strategy}-{attack}-{seed}-{finetune}", known | dict(tags or {}), settings, metrics, steps)


def grid(scores: Mapping[str, Sequence[float]], **about: Any) -> list[FinishedSweep]:
    """For each strategy a sweep a seed, the GoodNet's ASR as given."""
    return [sweep(name, seed, asr, **about) for name, asrs in scores.items() for seed, asr in enumerate(asrs)]
