"""How long work shows itself: a bar with an estimate on standard error, nothing where that is no terminal."""

from __future__ import annotations

from multiprocessing import current_process

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


def bar() -> Progress:
    """A progress bar that leaves no trace when it is done; none in one of several processes, whose bars would mix."""
    console = Console(stderr=True)
    in_pool = current_process().name != "MainProcess"
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal or in_pool)
