"""Tables as people read them: percent, with intervals, and only the columns that hold something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from fineprune import errors
from fineprune.sweeping import budgets

# What is shown with its interval; the files have those of the rest.
INTERVALS = ("goodnet_asr", "goodnet_accuracy", "goodnet_der", "goodnet_area", "pruned_asr", "pruned_area", "asr_back")


@dataclass(frozen=True)
class Column:
    """How one column is shown. `scale` is what its numbers are multiplied by, `digits` how many follow the point."""

    name: str
    title: str
    about: str = ""
    scale: float = 1
    digits: int = 0
    numeric: bool = True

    def number(self, value: Any) -> str:
        """One number as text, whole from 1000 on; empty for NaN."""
        if pd.isna(value):
            return ""
        scaled = self.scale * value
        return f"{scaled:.{self.digits if abs(scaled) < 1000 else 0}f}"

    def text(self, row: dict[Any, Any]) -> str:
        """The cell's text without its interval."""
        if self.numeric:
            return self.number(row[self.name])
        return budgets.text(str(row[self.name])) if self.name == "point" else str(row[self.name])

    def bounds(self, row: dict[Any, Any]) -> str:
        """The interval as `[low, high]`; empty where there is none."""
        if self.name not in INTERVALS:
            return ""
        low, high = (self.number(row.get(f"{self.name}_{end}")) for end in ("low", "high"))
        return f"[{low}, {high}]" if low and high else ""

    def cell(self, row: dict[Any, Any]) -> str:
        """The cell with its interval."""
        return f"{self.text(row)} {self.bounds(row)}".strip()


def _percent(name: str, title: str, about: str) -> Column:
    return Column(name, title, about, scale=100, digits=1)


COLUMNS = [
    Column("attack", "attack", numeric=False),
    Column("point", "budget", "allowed fall of accuracy on clean validation images; end: the last step", numeric=False),
    Column("rank", "rank", "by the GoodNet's mean DER; equal to a tenth of a point, equal rank"),
    Column("stage", "afterwards", numeric=False),
    Column("method", "method", numeric=False),
    Column("settings", "settings", numeric=False),
    _percent("asr_before", "B′ ASR before", "attack success rate against the pruned net as the defence left it"),
    _percent("asr_after", "after", "the same after what the stage did to it"),
    _percent("asr_back", "back", "what it rose by"),
    _percent("asr_planted", "planted", "what it rose by where the same was done to a network without a backdoor"),
    _percent("goodnet_asr", "G ASR", "attack success rate against the GoodNet"),
    _percent("goodnet_accuracy", "G clean", "accuracy of the GoodNet on clean test images"),
    _percent("goodnet_der", "G DER", "defence effectiveness rating of the GoodNet; 50 is doing nothing"),
    _percent("price", "price", "fall of clean test accuracy from the untouched network to the GoodNet"),
    Column("removal", "removed", "ASR under the bar at a price within the budget", numeric=False),
    _percent("regret", "regret", "ASR at the budget less the smallest of any step at the same clean accuracy"),
    _percent("goodnet_detection_rate", "G found", "share of poisoned images that the GoodNet calls backdoored"),
    _percent("goodnet_false_positive_rate", "G false pos", "share of clean images that the GoodNet calls backdoored"),
    _percent("pruned_der", "B′ DER", "defence effectiveness rating of the pruned net alone"),
    _percent("pruned_accuracy", "B′ clean", "accuracy of the pruned net on clean test images"),
    _percent("pruned_asr", "B′ ASR", "attack success rate against the pruned net"),
    _percent("pruned_robust_accuracy", "B′ RA", "share of poisoned images that the pruned net gives their true class"),
    _percent("goodnet_area", "G area", "mean over falls of clean accuracy up to 10 points of the smallest ASR"),
    _percent("pruned_area", "B′ area", "the same of the pruned net alone"),
    _percent("fraction_pruned", "pruned", "share of the channels or weights that are pruned"),
    Column("seconds", "seconds", "of the strategy and of fine-tuning, without measuring", digits=1),
    Column("forward_passes", "fwd", "images sent forward through the network, over clean validation images", digits=1),
    Column("backward_passes", "bwd", "the same backward", digits=1),
    _percent("reached", "reached", "share of runs in which a step falls by the budget; the others are at their last"),
    Column("seed", "seed"),
    Column("data", "data", numeric=False),
    Column("run", "run in MLflow", numeric=False),
    Column("seeds", "seeds", "that the means are over"),
    Column("blocks", "blocks", "of attack and seed that every method ranked here has"),
    Column("not_applicable", "not applicable, because", numeric=False),
    Column("first", "method", numeric=False),
    Column("second", "against", numeric=False),
    Column("difference", "ΔDER", "mean difference of the GoodNets' DER, in percentage points", scale=100, digits=2),
    Column("p", "p", "of Wilcoxon's signed-rank test", digits=3),
    Column("p_holm", "p, Holm", "corrected for the number of pairs", digits=3),
    Column("verdict", "difference", numeric=False),
]


def columns(table: pd.DataFrame) -> list[Column]:
    """Of `COLUMNS`, those that `table` has and that hold something."""
    return [column for column in COLUMNS if column.name in table and table[column.name].notna().any()]


def with_texts(table: pd.DataFrame) -> pd.DataFrame:
    """`table` with the texts `removal`, `verdict` and `settings`, which are made from other columns."""
    if "removed" in table:
        table = table.assign(removal=table["removed"].map({True: "yes", False: "no"}))
    if "differ" in table:
        table = table.assign(verdict=table["differ"].map({True: "yes", False: "can’t tell"}))
    if "default" in table:
        table = table.assign(settings=table["default"].map({True: "defaults", False: ""}))
    return table


def as_texts(table: pd.DataFrame) -> pd.DataFrame:
    """`table` as texts, with the titles of its columns."""
    table = with_texts(table)
    rows = table.to_dict("records")
    return pd.DataFrame({column.title: [column.cell(row) for row in rows] for column in columns(table)})


def markdown(table: pd.DataFrame) -> str:
    """`table` in Markdown."""
    texts = as_texts(table).map(errors.markdown)
    return str(texts.to_markdown(index=False, disable_numparse=True)) + "\n"


def latex(table: pd.DataFrame) -> str:
    """`table` for a LaTeX document that uses booktabs."""
    return as_texts(table).to_latex(index=False, escape=True).replace("′", "$'$").replace("Δ", r"$\Delta$")
