"""What a sweep leaves behind: a run folder, and a table on the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from fineprune import budgets as falls
from fineprune.files import write_text
from fineprune.metrics import CLEAN_TEST, CLEAN_VALID
from fineprune.model_files import save_model
from fineprune.pictures import failures
from fineprune.plots import curve, save_figure
from fineprune.sweep import Sweep

RATES = {
    "accuracy": "clean acc.",
    "false_positive_rate": "false pos.",
    "asr": "ASR",
    "detection_rate": "detected",
    "robust_accuracy": "robust acc.",
    "der": "DER",
}


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
        "splits": {name: {"images": len(split), "digest": split.digest} for name, split in sweep.plan.data.splits.items()},
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
    start = sweep.at(0)
    rows = [("", "0", "B", rates_of(start, "pruned"))]
    for budget, row in sweep.chosen.items():
        if row is None:
            rows.append((f"{100 * budget:g} %", "never reached", "", {}))
            continue
        point = sweep.at(row)
        count = f"{point['pruned']:.0f} of {point['total']:.0f}"
        rows.append((f"{100 * budget:g} %", count, "B′", rates_of(point, "pruned")))
        rows.append(("", "", "GoodNet", rates_of(point, "goodnet")))
    console.print(rates_table(["budget", "pruned", "net"], rows))


def rates_of(point: Mapping[str, float], net: str) -> dict[str, float]:
    """The rates of one net, `pruned` or `goodnet`, by heading; those of clean_test where it is there."""
    clean = CLEAN_TEST if f"{CLEAN_TEST}/pruned_accuracy" in point else CLEAN_VALID
    found = {}
    for key, value in point.items():
        split, _, rate = key.partition("/")
        if rate.startswith(f"{net}_") and (split == clean or split not in (CLEAN_VALID, CLEAN_TEST)):
            heading = RATES[rate.removeprefix(f"{net}_")]
            found[heading if split == clean else f"{split}\n{heading}"] = value
    return found


def rates_table(headings: list[str], rows: list[tuple[Any, ...]]) -> Table:
    """A table for a terminal: each of `rows` is a text for each heading, then its rates, which are shown as percent."""
    columns = list(pd.DataFrame([row[-1] for row in rows]).columns)
    table = Table()
    for heading in (*headings, *columns):
        table.add_column(heading, justify="left" if heading in headings else "right", no_wrap=heading in headings)
    for *texts, found in rows:
        table.add_row(*texts, *(f"{100 * found[column]:.2f}" if column in found else "–" for column in columns))
    return table
