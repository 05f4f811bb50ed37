"""What is known of the BadNets that were trained here: a card beside each, in JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fineprune import errors, names
from fineprune.errors import DataError, plain

WHAT = ["data", "trained on", "architecture", "attack", "epochs", "poison_rate", "trigger", "target", "settings"]


def read(folder: Path) -> pd.DataFrame:
    """A row for each card in `folder` and trigger: the columns of WHAT, `seed`, `clean_accuracy` and `asr`.

    `settings` tells BadNets apart that differ in more than the seed. One without a trigger has one row.
    Raises DataError where there is no card, or one is damaged.
    """
    rows = []
    for path in filter(Path.is_file, sorted(folder.glob("[!.]*.json"))):
        try:
            rows += [_shown(row) for row in _rows(json.loads(path.read_text()))]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as reason:
            raise DataError(
                f"expected the card of a BadNet in {path}, got another file: {reason!r}; remove it"
            ) from reason
    if not rows:
        raise DataError(f"expected cards of BadNets in {folder}, got none: run train_badnet first")
    return pd.DataFrame(rows)


def _rows(card: dict[str, Any]) -> list[dict[str, Any]]:
    attack = card["attack"]
    about = {
        "data": card["data"],
        "trained on": _trained_on(card.get("train", {})),
        "attack": names.titled(attack["name"], attack["variant"]),
        "architecture": card["architecture"],
        "epochs": card["recipe"]["epochs"],
        "poison_rate": attack["poison_rate"],
        "settings": _settings(attack, card["recipe"], card.get("train")),
        "seed": card["seed"],
        "clean_accuracy": card["clean_accuracy"],
    }
    targets = {trigger["name"]: str(trigger["target"]) for trigger in attack.get("triggers", [attack]) if card["asr"]}
    none = {"trigger": "", "target": "", "asr": float("nan")}
    rows = [about | {"trigger": key, "target": targets[key], "asr": asr} for key, asr in card["asr"].items()]
    return rows or [about | none]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """`row` with texts that a terminal can show."""
    return {key: plain(value) if isinstance(value, str) else value for key, value in row.items()}


def _trained_on(train: Mapping[str, Any]) -> str:
    """The size of the train split; of older cards nobody knows it."""
    return f"{train['images']} images of {train['classes']} classes" if train else ""


def _settings(attack: dict[str, Any], recipe: dict[str, Any], train: Any) -> str:
    kept = {key: value for key, value in attack.items() if key != "seed"}
    return hashlib.sha256(json.dumps([kept, recipe, train], sort_keys=True).encode()).hexdigest()[:6]


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


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The averages as texts, rates in percent, mean ± standard deviation.

    `settings` is there only if BadNets differ in nothing else.
    """
    rates = {name: _percent(table[name], table.get(f"{name}_sd")) for name in ("clean", "asr", "lowest_asr")}
    shown = table[WHAT].assign(seeds=table["seeds"], **rates).astype(str)
    if not shown.duplicated([name for name in WHAT if name != "settings"]).any():
        shown = shown.drop(columns="settings")
    return shown.rename(
        columns=lambda name: {"asr": "ASR", "lowest_asr": "lowest ASR"}.get(name, name.replace("_", " "))
    )


def markdown(table: pd.DataFrame) -> str:
    """The same as a Markdown table."""
    shown = readable(table)
    rows = shown.map(errors.markdown).to_numpy().tolist()
    lines = [list(map(str, shown)), ["---"] * len(shown.columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _percent(rates: pd.Series[float], spread: pd.Series[float] | None) -> list[str]:
    spreads = [float("nan")] * len(rates) if spread is None else spread
    return [
        "" if pd.isna(rate) else f"{100 * rate:.1f}" + ("" if pd.isna(sd) else f" ± {100 * sd:.1f}")
        for rate, sd in zip(rates, spreads, strict=True)
    ]
