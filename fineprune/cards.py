"""What is known of the BadNets that were trained here: a card beside each, in JSON."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd

from fineprune.errors import DataError

WHAT = ["data", "attack", "architecture", "epochs", "poison_rate", "trigger", "target", "settings"]


def read(folder: Path) -> pd.DataFrame:
    """A row for each card in `folder` and trigger: the columns of WHAT, `seed`, `clean_accuracy` and `asr`.

    `settings` tells BadNets apart that differ in more than the seed. One without a trigger has one row.
    Raises DataError where there is no card, or one is damaged.
    """
    rows = []
    for path in sorted(folder.glob("[!.]*.json")):
        try:
            rows += _rows(json.loads(path.read_text()))
        except (ValueError, KeyError, TypeError, AttributeError) as reason:
            raise DataError(
                f"expected the card of a BadNet in {path}, got another file: {reason!r}; remove it"
            ) from reason
    if not rows:
        raise DataError(f"expected cards of BadNets in {folder}, got none: run runners.train_badnet first")
    return pd.DataFrame(rows)


def _rows(card: dict[str, Any]) -> list[dict[str, Any]]:
    attack = card["attack"]
    name = f"{attack['name']} ({attack['variant']})" if attack["variant"] else attack["name"]
    about = {
        "data": card["data"],
        "attack": name,
        "architecture": card["architecture"],
        "epochs": card["recipe"]["epochs"],
        "poison_rate": attack["poison_rate"],
        "settings": _settings(attack, card["recipe"]),
        "seed": card["seed"],
        "clean_accuracy": card["clean_accuracy"],
    }
    targets = {trigger["name"]: str(trigger["target"]) for trigger in attack.get("triggers", [attack]) if card["asr"]}
    none = {"trigger": "", "target": "", "asr": float("nan")}
    rows = [about | {"trigger": key, "target": targets[key], "asr": asr} for key, asr in card["asr"].items()]
    return rows or [about | none]


def _settings(attack: dict[str, Any], recipe: dict[str, Any]) -> str:
    kept = {key: value for key, value in attack.items() if key != "seed"}
    return hashlib.sha256(json.dumps([kept, recipe], sort_keys=True).encode()).hexdigest()[:6]


def averages(cards: pd.DataFrame) -> pd.DataFrame:
    """Over seeds: how many there are, the mean and the standard deviation of both rates, and the lowest ASR."""
    return (
        cards.groupby(WHAT, sort=True)
        .agg(
            seeds=("seed", "nunique"),
            clean=("clean_accuracy", "mean"),
            clean_sd=("clean_accuracy", "std"),
            asr=("asr", "mean"),
            asr_sd=("asr", "std"),
            lowest_asr=("asr", "min"),
        )
        .reset_index()
    )


def markdown(found: pd.DataFrame) -> str:
    """The averages as a Markdown table, rates in percent, mean ± standard deviation."""
    rates = {name: _shown(found[name], found.get(f"{name}_sd")) for name in ("clean", "asr", "lowest_asr")}
    shown = found[WHAT].assign(seeds=found["seeds"], **rates).astype(str)
    if not shown.duplicated([name for name in WHAT if name != "settings"]).any():
        shown = shown.drop(columns="settings")
    lines = [[str(name).replace("_", " ") for name in shown], ["---"] * len(shown.columns), *shown.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _shown(rates: pd.Series[float], spread: pd.Series[float] | None) -> list[str]:
    spreads = [float("nan")] * len(rates) if spread is None else spread
    return [
        "" if pd.isna(rate) else f"{100 * rate:.1f}" + ("" if pd.isna(sd) else f" ± {100 * sd:.1f}")
        for rate, sd in zip(rates, spreads, strict=True)
    ]
