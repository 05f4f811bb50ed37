"""Where tables are printed: names in them come from strangers."""

from __future__ import annotations

from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from fineprune.errors import printable, without_secrets


def console(**settings: Any) -> Console:
    """A console, with Rich's `settings`, that prints what it is given as it is: no markup, nothing a terminal obeys."""
    made = Console(markup=False, highlight=False, emoji=False, **settings)
    made.push_render_hook(_Cleaning())
    return made


class _Cleaning(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Cleaned(each) for each in renderables]


class _Cleaned:
    """What a renderable prints, less what a terminal obeys, but for Rich's own styles."""

    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for text, style, control in console.render(self._inner, options):
            yield Segment(text if control else printable(without_secrets(text)), style, control)
