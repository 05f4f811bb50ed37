"""The answer on one screen."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fineprune import budgets
from fineprune.comparison import shown
from fineprune.comparison.verdict import Verdict

SHOWN = (
    "rank",
    "method",
    "goodnet_der",
    "goodnet_accuracy",
    "goodnet_asr",
    "goodnet_detection_rate",
    "goodnet_false_positive_rate",
    "seconds",
)
LINES = 5


def show(found: list[Verdict], console: Console) -> None:
    """Print the verdicts, then the first methods at each point. Names are printed as they are, not as markup."""
    if not found:
        console.print("nothing to rank: no run was measured on both clean test images and poisoned ones")
        return
    for verdict in found:
        console.print(Text(verdict.found, style="bold"), soft_wrap=False)
        console.print(Text(" ".join(part for part in (verdict.sure, verdict.absent) if part)))
    console.print(_table(found))


def _table(found: list[Verdict]) -> Table:
    columns = [column for column in shown.COLUMNS if column.name in SHOWN]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, caption_justify="right")
    table.caption = "percent, means over seeds; G: the GoodNet"
    for title in ("budget", *(column.title for column in columns)):
        table.add_column(title, justify="left" if title in ("budget", "method") else "right")
    for verdict in found:
        rows = verdict.ranking.to_dict("records")
        for line, row in enumerate(rows[:LINES]):
            texts = [budgets.text(verdict.point) if line == 0 else "", *(column.text(row) for column in columns)]
            table.add_row(*map(Text, texts))
        if len(rows) > LINES:
            table.add_row("", "", f"… {len(rows) - LINES} more in the report")
    return table
