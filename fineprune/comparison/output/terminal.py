"""The answer on one screen."""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fineprune.comparison.contents import Comparison
from fineprune.comparison.frame import PRICE
from fineprune.comparison.output import readable_tables
from fineprune.comparison.ranking import SCORE
from fineprune.comparison.removal import ASR
from fineprune.comparison.verdict import Verdict

COLUMNS = {
    **{"rank": "rank", "method": "method", "goodnet_der": "DER", "goodnet_accuracy": "clean", "goodnet_asr": "ASR"},
    **{"forward_passes": "fwd", "backward_passes": "bwd"},
}
LASTING = {
    **{"attack": "attack", "stage": "afterwards", "method": "method"},
    **{"asr_before": "before", "asr_after": "after", "asr_back": "back", "asr_planted": "planted"},
}
LINES = 5
REMOVED = "\N{CHECK MARK}"


def show(comparison: Comparison, console: Console) -> None:
    """Print the verdicts, the first methods at each point, and, at the middle budget, each method under each attack,
    and what comes back in the aftermath.

    Names are printed as they are, not as markup.
    """
    verdicts = comparison.answers
    if not verdicts:
        console.print("nothing to rank: no run was measured on both clean test images and poisoned ones")
        return
    for verdict in verdicts:
        _print(console, f"At {verdict.name} {verdict.leaders} {verdict.place}.", "bold")
        _print(console, " ".join(verdict.reasons), "")
    console.print(_ranking(verdicts))
    headline = comparison.headline
    matrix = comparison.matrix(headline.point)
    attacks = list(matrix["attack"].unique())
    for start in range(0, len(attacks), _columns(matrix, console.width)):
        shown = attacks[start : start + _columns(matrix, console.width)]
        console.print(_matrix(matrix[matrix["attack"].isin(shown)], headline.name))
    if "aftermath" in comparison.tables:
        lasting = comparison.tables["aftermath"]
        console.print(_lasting(lasting[lasting["point"] == headline.point], headline.name))


def _print(console: Console, text: str, style: str) -> None:
    """Wrapped here, since Rich breaks lines at no-break spaces."""
    if text:
        console.print(Text(textwrap.fill(text, console.width, break_on_hyphens=False), style=style), soft_wrap=True)


def _ranking(verdicts: list[Verdict]) -> Table:
    shown = pd.concat([verdict.ranking for verdict in verdicts])
    columns = [column for column in readable_tables.columns(shown) if column.name in COLUMNS]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, caption_justify="right")
    table.caption = "of the GoodNet, percent, mean over seeds; [95 % interval]"
    if "forward_passes" in [column.name for column in columns]:
        table.caption += "\nfwd, bwd: passes over the clean validation images, forward and backward"
    table.add_column("budget", no_wrap=True)
    for column in columns:
        title, left = COLUMNS[column.name], column.name == "method"
        table.add_column(title, justify="left" if left else "right", no_wrap=not left)
    for verdict in verdicts:
        rows = verdict.ranking.to_dict("records")
        for line, row in enumerate(rows[:LINES]):
            texts = (column.cell(row) if column.name == SCORE else column.text(row) for column in columns)
            table.add_row(*map(Text, (verdict.name if line == 0 else "", *texts)))
        if len(rows) > LINES:
            table.add_row("", "", f"… {len(rows) - LINES} more in the report")
    return table


def _lasting(rows: pd.DataFrame, budget: str) -> Table:
    """A line for each attack, stage and method: ASR before and after, what is back, and what of it is planted."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, caption_justify="right")
    table.caption = f"at {budget}, percent: ASR of B′ before and after; planted: what is back in a clean network"
    columns = [column for column in readable_tables.columns(rows) if column.name in LASTING]
    for column in columns:
        name = LASTING[column.name]
        table.add_column(name, justify="right" if column.numeric else "left", overflow="fold")
    for row in rows.to_dict("records"):
        table.add_row(*(Text(column.text(row)) for column in columns))
    return table


CELL = len("100.0✓ −10.0  ")


def _columns(matrix: pd.DataFrame, width: int) -> int:
    """How many attacks fit side by side."""
    return max(1, (width - min(30, matrix["method"].str.len().max())) // CELL)


def _matrix(rows: pd.DataFrame, budget: str) -> Table:
    """A line for each method, a column for each attack: ASR, whether that is a removal, and the change of accuracy."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, caption_justify="right")
    table.caption = f"at {budget}, percent: ASR of the GoodNet ({REMOVED} removed), change of clean accuracy"
    table.add_column("method", overflow="fold")
    cells = rows.assign(cell=[_cell(row) for row in rows.to_dict("records")])
    wide = cells.pivot_table("cell", "method", "attack", aggfunc="first", sort=False)
    weak, oracles = set(rows.loc[rows["weak"], "attack"]), set(rows.loc[rows["oracle"], "method"])
    for attack in wide:
        table.add_column(Text(f"{attack} (weak)" if attack in weak else str(attack)), justify="right", overflow="fold")
    for method, texts in wide.iterrows():
        name = f"{method} (oracle)" if method in oracles else str(method)
        table.add_row(Text(name), *(Text("" if pd.isna(text) else text) for text in texts))
    return table


def _cell(row: dict[Any, Any]) -> str:
    asr = "" if pd.isna(row[ASR]) else f"{100 * row[ASR]:.1f}{REMOVED if row['removed'] else ''}"
    change = f"{round(-100 * row[PRICE], 1) + 0.0:+.1f}".replace("-", "\N{MINUS SIGN}")
    return f"{asr} {change}".strip()
