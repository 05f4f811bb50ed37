"""What a sweep leaves behind: a run folder, and a table on the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from fineprune import budgets as falls
from fineprune import tables
from fineprune.files import write_text
from fineprune.metrics import CLEAN_TEST, CLEAN_VALID
from fineprune.model_files import save_model
from fineprune.pictures import failures
from fineprune.plots import curve, save_figure
from fineprune.sweep import Sweep


def write(sweep: Sweep, folder: Path, title: str, about: Mapping[str, Any]) -> None:
    """Write `performance.csv`, the pictures, the pruned net of each budget and, last, `summary.json` to `folder`."""
    write_text(folder / "performance.csv", sweep.table.to_csv(index=False))
    save_figure(curve(sweep.table, sweep.reached, title), folder / "curve.png")
    save_figure(failures(sweep), folder / "failures.png")
    for budget, row in sweep.reached.items():
        step = sweep.plan.steps[row - 1]
        save_model(sweep.plan.network.pruned(step), folder / f"pruned_{falls.name(budget)}.h5")
    write_text(folder / "summary.json", json.dumps(summary(sweep, about), indent=2) + "\n")


def summary(sweep: Sweep, about: Mapping[str, Any]) -> dict[str, Any]:
    """`about`, the data with its digests, the untouched BadNet's rates, and those at each budget."""
    return {
        **about,
        "splits": {
            name: {"images": len(split), "digest": split.digest} for name, split in sweep.plan.data.splits.items()
        },
        "seconds": dict(sweep.seconds),
        "badnet": sweep.at(0),
        "budgets": [
            {"budget": budget, "reached": row is not None} | ({} if row is None else _at_budget(sweep, budget, row))
            for budget, row in sweep.chosen.items()
        ],
    }


def _at_budget(sweep: Sweep, budget: float, row: int) -> dict[str, Any]:
    return {"pruned_net": f"pruned_{falls.name(budget)}.h5", **sweep.at(row)}


def results(sweep: Sweep) -> dict[str, float]:
    """The rates at each budget that was reached, as `at_2_percent/sunglasses/goodnet_asr` and so on."""
    return {
        f"at_{falls.name(budget)}/{key}": float(value)
        for budget, row in sweep.reached.items()
        for key, value in sweep.at(row).items()
        if key not in ("step", "total")
    } | {f"seconds/{part}": value for part, value in sweep.seconds.items()}


def budget_tags(sweep: Sweep) -> dict[str, str]:
    """For each budget the step that it led to, or that it was never reached."""
    return {f"at_{falls.name(b)}": "not reached" if row is None else f"step {row}" for b, row in sweep.chosen.items()}


def show(sweep: Sweep, console: Console) -> None:
    """Print B, and B′ and the GoodNet at each budget."""
    table = tables.rates_table("budget", "pruned", "net")
    tables.add(table, ("0 %", "0", "B"), _rates(sweep, 0, "pruned"))
    for budget, row in sweep.chosen.items():
        text = f"{100 * budget:g} %"
        if row is None:
            tables.add(table, (text, "never reached", ""), {"": {}})
            continue
        point = sweep.at(row)
        tables.add(table, (text, f"{point['pruned']:.0f}/{point['total']:.0f}", "B′"), _rates(sweep, row, "pruned"))
        tables.add(table, ("", "", "GoodNet"), _rates(sweep, row, "goodnet"))
    console.print(table)


def _rates(sweep: Sweep, row: int, net: str) -> dict[str, dict[str, float]]:
    """The rates of one net, `pruned` or `goodnet`, by split and rate; of the clean splits the one that judges."""
    found: dict[str, dict[str, float]] = {}
    for key, value in sweep.at(row).items():
        split, _, rate = key.partition("/")
        if rate.startswith(f"{net}_") and not (split == CLEAN_VALID and CLEAN_TEST in sweep.plan.data.splits):
            found.setdefault(split, {})[rate.removeprefix(f"{net}_")] = value
    return found
