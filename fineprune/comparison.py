"""Many runs side by side: what each strategy left of clean accuracy and of the attack, over seeds."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fineprune import budgets
from fineprune.errors import FinepruneError

WHO = ["experiment", "data", "badnet", "strategy", "finetune", "settings"]
NETS = {
    "B": "badnet/{split}/{rate}",
    "B′": "at_{point}/{split}/pruned_{rate}",
    "G": "at_{point}/{split}/goodnet_{rate}",
    "B′ fine-tuned": "at_{point}/{split}/finetuned_{rate}",
    "G fine-tuned": "at_{point}/{split}/finetuned_goodnet_{rate}",
}


def tidy(runs: pd.DataFrame) -> pd.DataFrame:
    """From runs, a row each with their metrics as columns, to a row for each run, point, attack and net.

    Columns `experiment, data, badnet, strategy, finetune, settings, seed, attack, point, fraction_pruned, net,
    clean_accuracy, asr`. Of runs with the same settings and seed the latest counts.
    """
    if runs.empty:
        raise FinepruneError("expected finished sweeps in tracking.experiment, got none: run runners.sweep first")
    latest = runs.drop_duplicates(["settings", "seed"])
    rows = [row for _, run in latest.iterrows() for row in _rows(run.dropna().to_dict())]
    if not rows:
        raise FinepruneError(
            "expected runs with clean_test and poisoned images in tracking.experiment, got none"
            ": sweep with data.clean_test and a poisoned split"
        )
    return pd.DataFrame(rows)


def _rows(run: dict[Any, Any]) -> list[dict[str, Any]]:
    points = [key.split("/")[0].removeprefix("at_") for key in run if key.endswith("/fraction_pruned")]
    splits = [key.split("/")[1] for key in run if key.startswith("badnet/") and key.endswith("/asr")]
    found = []
    for point in points:
        for split in splits:
            for net, name in NETS.items():
                accuracy = name.format(point=point, split="clean_test", rate="accuracy")
                asr = name.format(point=point, split=split, rate="asr")
                if accuracy in run and asr in run:
                    known = {key: run.get(key, "") for key in (*WHO, "seed")}
                    place = {"attack": split, "point": point, "fraction_pruned": run[f"at_{point}/fraction_pruned"]}
                    found.append(known | place | {"net": net, "clean_accuracy": run[accuracy], "asr": run[asr]})
    return found


def averages(runs: pd.DataFrame) -> pd.DataFrame:
    """The mean and standard deviation over seeds for each setting, point and net, a row each; `seeds` counts them."""
    groups = runs.sort_values(WHO, kind="stable").groupby([*WHO, "attack", "point", "net"], sort=False)
    found = groups.agg(
        seeds=("seed", "nunique"),
        fraction_pruned=("fraction_pruned", "mean"),
        clean_accuracy=("clean_accuracy", "mean"),
        clean_accuracy_sd=("clean_accuracy", "std"),
        asr=("asr", "mean"),
        asr_sd=("asr", "std"),
    )
    return found.reset_index()


def markdown(found: pd.DataFrame) -> str:
    """The averages as a Markdown table: a line a setting and point, clean accuracy / ASR of each net, in percent."""
    cells = found.assign(point=found["point"].map(budgets.text), cell=[_cell(row) for row in found.to_dict("records")])
    wide = cells.pivot_table(
        "cell", [*WHO, "attack", "point", "seeds"], "net", aggfunc="first", sort=False, fill_value=""
    )
    wide = wide[[net for net in NETS if net in wide.columns]].reset_index()
    alike = [name for name in WHO if name != "settings"]
    told_apart = wide.groupby(alike)["settings"].nunique().max() == 1
    empty = [name for name in ("experiment",) if not wide[name].any()]
    wide = wide.drop(columns=[*empty, *(["settings"] if told_apart else [])])
    lines = [list(wide.columns), ["---"] * len(wide.columns), *wide.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def _cell(row: dict[Any, Any]) -> str:
    clean, asr = (
        f"{100 * row[rate]:.1f}" + (f" ± {100 * row[f'{rate}_sd']:.1f}" if row["seeds"] > 1 else "")
        for rate in ("clean_accuracy", "asr")
    )
    return f"{clean} / {asr}"
