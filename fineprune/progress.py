"""How long work shows its progress: on standard error, where that is a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from multiprocessing import current_process

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TimeRemainingColumn
from rich.spinner import Spinner
from rich.table import Column
from rich.text import Text

WHOLE = Column(no_wrap=True)  # never cut, however narrow the terminal
BAR = 10


class Description(ProgressColumn):
    """What is being done: the only column that a narrow terminal cuts."""

    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class Status(ProgressColumn):
    """The field `status` of a task, if it has one: a loss, or rates."""

    def render(self, task: Task) -> Text:
        return Text(task.fields.get("status", ""))


_hidden = ContextVar("_hidden", default=False)


@contextmanager
def hidden() -> Iterator[None]:
    """No bar within this block, for who calls the program from Python."""
    token = _hidden.set(True)
    try:
        yield
    finally:
        _hidden.reset(token)


def bar() -> Progress:
    """A bar, percent, remaining time and a status; it leaves no trace when it is done."""
    columns = (
        Description(),
        BarColumn(BAR, table_column=WHOLE),
        TaskProgressColumn(table_column=WHOLE),
        TimeRemainingColumn(table_column=WHOLE),
        Status(WHOLE),
    )
    # In a pipe, standard output is no part of what is on the terminal.
    return Progress(
        *columns, console=_console(), transient=True, disable=not _shown(), redirect_stdout=sys.stdout.isatty()
    )


@contextmanager
def stage(what: str) -> Iterator[None]:
    """Show `what` is being done, with all stages and bars within it below, until the block ends."""
    if not _shown():
        yield
        return
    spinner = Spinner("dots", Text(what, no_wrap=True, overflow="ellipsis"))
    with Live(spinner, console=_console(), transient=True, redirect_stdout=sys.stdout.isatty()):
        yield


def _shown() -> bool:
    """Not where it is hidden, nor in one of several processes, whose lines would mix."""
    return not _hidden.get() and _console().is_terminal and current_process().name == "MainProcess"


@cache
def _console() -> Console:
    """One for all, since only those of one console can be shown below each other."""
    return Console(stderr=True)
