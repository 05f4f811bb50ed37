"""From finished sweeps to one tidy frame: a row for each method, run, point and trigger."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fineprune.comparison.naming import told_apart
from fineprune.logged import Finished

NETS = {
    False: {"pruned": "pruned", "goodnet": "goodnet"},
    True: {"pruned": "finetuned", "goodnet": "finetuned_goodnet"},
}
CLEAN_RATES = ["goodnet_accuracy", "goodnet_false_positive_rate", "pruned_accuracy"]
ATTACK_RATES = [
    "goodnet_asr",
    "goodnet_detection_rate",
    "goodnet_der",
    "pruned_asr",
    "pruned_robust_accuracy",
    "pruned_der",
]
COSTS = ["seconds", "forward_passes"]
BADNET = ["badnet_accuracy", "badnet_asr"]
MEASURED = ["fraction_pruned", *CLEAN_RATES, *ATTACK_RATES, *COSTS, *BADNET]
COLUMNS = {
    "method": "strategy, with `+ fine-tuning` for the fine-tuned net; settings in brackets where they differ",
    "attack": "the attack, or the BadNet where it came from a file; settings in brackets where they differ",
    "seed": "of the run",
    "point": "`2_percent`: the first step at which clean_valid accuracy had fallen by 2 points; `end`: the last step",
    "trigger": "the poisoned split; empty where there is none",
    "strategy": "the strategy alone",
    "finetuned": "whether `pruned` and `goodnet` are those after fine-tuning",
    "oracle": "whether the strategy uses poisoned images",
    "not_applicable": "why the strategy cannot work on this network; then nothing is measured; else empty",
    "run": "identifier of the MLflow run",
    "data": "name of the data",
    "fraction_pruned": "share of the channels or weights that are pruned, in [0, 1]",
    "goodnet_…, pruned_…, badnet_…": "rates of the GoodNet, of B′ and of the untouched BadNet, fractions in [0, 1]",
    "seconds": "what the strategy took, and fine-tuning (of the nets of all points) where `finetuned`; not measuring",
    "forward_passes": "`seconds` over those of one forward pass over the clean validation images in the same run",
}
UNIT = ["method", "attack", "seed"]


def tidy(runs: Sequence[Finished]) -> pd.DataFrame:
    """One row for each method, run, point and trigger; `COLUMNS` says what the columns hold.

    A fine-tuning run tells of two methods: of its net at each point, and of the one that was only pruned. For the
    latter, a run without fine-tuning is preferred, since its budgets are judged by more images. Of runs with the same
    method, attack and seed the latest counts.
    """
    parts = [(run, finetuned) for run in runs for finetuned in _finetuned(run)]
    strategies = pd.Series([_method(run, finetuned) for run, finetuned in parts])
    subjects = pd.Series([_subject(run) for run, _ in parts])
    names = pd.DataFrame(
        {
            "part": range(len(parts)),
            "method": told_apart(strategies, pd.DataFrame([_method_settings(*part) for part in parts])),
            "attack": told_apart(subjects, pd.DataFrame([_subject_settings(run) for run, _ in parts])),
            "seed": [int(run.params["seed"]) for run, _ in parts],
            "shared": [_tunes(run) and not finetuned for run, finetuned in parts],
        }
    )
    latest = names.sort_values("shared", kind="stable").drop_duplicates(UNIT)
    rows = [
        {name: known[name] for name in UNIT} | row
        for known in latest.sort_values(UNIT).to_dict("records")
        for row in _rows(*parts[known["part"]])
    ]
    columns = [*[name for name in COLUMNS if "…" not in name and name not in MEASURED], *MEASURED]
    return pd.DataFrame(rows).reindex(columns=columns).astype({"finetuned": bool, "oracle": bool})


def _tunes(run: Finished) -> bool:
    return run.tags.get("finetune", "none") != "none"


def _finetuned(run: Finished) -> list[bool]:
    if "not_applicable" in run.tags:
        return [_tunes(run)]
    return [False, True] if _tunes(run) else [False]


def _method(run: Finished, finetuned: bool) -> str:
    return run.tags.get("strategy", "unknown") + (" + fine-tuning" if finetuned else "")


def _subject(run: Finished) -> str:
    attack = run.tags.get("attack", "given")
    return run.tags.get("badnet", "given") if attack == "given" else attack


def _method_settings(run: Finished, finetuned: bool) -> dict[str, str]:
    tuning = {"finetune": run.tags["finetune"]} | _params(run, "finetune.") if finetuned else {}
    held_out = {"held_out": run.params["held_out"]} if "held_out" in run.params else {}
    return tuning | _params(run, "strategy.") | held_out


def _subject_settings(run: Finished) -> dict[str, str]:
    tags = {name: run.tags[name] for name in ("data", "badnet", "architecture") if name in run.tags}
    return tags | _params(run, "attack.") | _params(run, "badnet.") | _params(run, "data.")


def _params(run: Finished, group: str) -> dict[str, str]:
    """Settings that say what was done, and neither where things lie nor which seed."""
    return {
        name: value
        for name, value in sorted(run.params.items())
        if name.startswith(group) and name.rsplit(".", 1)[-1] not in ("_target_", "cache", "seed")
    }


def _rows(run: Finished, finetuned: bool) -> Iterator[dict[str, Any]]:
    known = {
        "strategy": run.tags.get("strategy", "unknown"),
        "finetuned": finetuned,
        "oracle": run.tags.get("oracle") == "true",
        "not_applicable": run.tags.get("not_applicable", ""),
        "run": run.id,
        "data": run.tags.get("data", ""),
        "point": "",
        "trigger": "",
    }
    if known["not_applicable"]:
        yield known
        return
    points = [found[1] for name in run.metrics if (found := re.fullmatch(r"at_([^/]+)/fraction_pruned", name))]
    triggers = [found[1] for name in run.metrics if (found := re.fullmatch(r"badnet/(.+)/asr", name, re.DOTALL))]
    for point in points:
        for trigger in triggers or [""]:
            yield (
                known
                | {"point": point, "trigger": trigger}
                | _costs(run, finetuned)
                | _rates(run, finetuned, point, trigger)
            )


def _costs(run: Finished, finetuned: bool) -> dict[str, float]:
    parts = ["strategy", "finetuning"] if finetuned else ["strategy"]
    seconds = sum(run.metrics.get(f"seconds/{part}", np.nan) for part in parts)
    return {"seconds": seconds, "forward_passes": seconds / run.metrics.get("seconds/forward", np.nan)}


def _rates(run: Finished, finetuned: bool, point: str, trigger: str) -> dict[str, float]:
    found = {
        "fraction_pruned": f"at_{point}/fraction_pruned",
        "badnet_accuracy": "badnet/clean_test/accuracy",
        "badnet_asr": f"badnet/{trigger}/asr",
    }
    for split, rates in (("clean_test", CLEAN_RATES), (trigger, ATTACK_RATES)):
        for name in rates:
            net, rate = name.split("_", 1)
            found[name] = f"at_{point}/{split}/{NETS[finetuned][net]}_{rate}"
    return {name: run.metrics.get(metric, np.nan) for name, metric in found.items()}
