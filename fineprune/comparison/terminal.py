"""The answer on one screen."""

from __future__ import annotations

import textwrap

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fineprune.comparison import shown
from fineprune.comparison.verdict import Verdict

COLUMNS = {"rank": "rank", "method": "method", "goodnet_der": "DER", "goodnet_accuracy": "clean", "goodnet_asr": "ASR"}
LINES = 5


def show(found: list[Verdict], console: Console) -> None:
    """Print the verdicts, then the first methods at each point. Names are printed as they are, not as markup."""
    if not found:
        console.print("nothing to rank: no run was measured on both clean test images and poisoned ones")
        return
    for verdict in found:
        _print(console, f"At {verdict.name} {verdict.leaders} {verdict.place}.", "bold")
        _print(console, " ".join(part for part in (verdict.sure, verdict.absent) if part), "")
    console.print(_table(found))


def _print(console: Console, text: str, style: str) -> None:
    """Wrapped here, since Rich breaks lines at no-break spaces."""
    if text:
        console.print(Text(textwrap.fill(text, console.width, break_on_hyphens=False), style=style), soft_wrap=True)


def _table(found: list[Verdict]) -> Table:
    columns = [column for column in shown.COLUMNS if column.name in COLUMNS]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, caption_justify="right")
    table.caption = "of the GoodNet, percent, mean over seeds; [95 % interval]"
    table.add_column("budget", no_wrap=True)
    for column in columns:
        title, left = COLUMNS[column.name], column.name == "method"
        table.add_column(title, justify="left" if left else "right", no_wrap=not left)
    for verdict in found:
        rows = verdict.ranking.to_dict("records")
        for line, row in enumerate(rows[:LINES]):
            *texts, asr = (column.text(row) for column in columns)
            asr = f"{asr} {columns[-1].bounds(row)}"
            table.add_row(*map(Text, (verdict.name if line == 0 else "", *texts, asr)))
        if len(rows) > LINES:
            table.add_row("", "", f"… {len(rows) - LINES} more in the report")
    return table
