"""How the figures of a comparison look: panels and legends, as SVG for light and dark backgrounds."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fineprune import names
from fineprune.report.palette import INK, Look, look

FAINT = "#c3c9d1"
DARK = {INK: "#e4e7ec", FAINT: "#464e59"}  # what becomes of ink and grid on a dark ground
WIDTH = 7.2


def svg(draw: Callable[[], Figure]) -> str:
    """The figure from `draw` for a light ground, itself without one; the same bytes each time."""
    with _style():
        buffer = io.StringIO()
        draw().savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def in_both_themes(svg: str) -> str:
    """`svg` with ink and grid that follow the reader's theme, for a page which does so too.

    Not for a file of its own: a browser shows that on white in either theme.
    """
    rules = [
        f'[style*="{role}: {light}"] {{ {role}: {dark} !important }}'
        for light, dark in DARK.items()
        for role in ("fill", "stroke")
    ]
    style = f"<style>@media screen and (prefers-color-scheme: dark) {{ {' '.join(rules)} }}</style>"
    return re.sub(r"<svg\b[^>]*>", lambda opening: opening[0] + style, svg, count=1)


@contextmanager
def _style() -> Iterator[None]:
    roles = ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor")
    lines = ("axes.edgecolor", "xtick.color", "ytick.color", "grid.color")
    settings: dict[Any, Any] = {
        **dict.fromkeys(roles, INK),
        **dict.fromkeys(lines, FAINT),
        "text.parse_math": False,  # a $ in a name is a $
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "fineprune",
        "font.size": 9,
        "axes.titlesize": 9.5,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.linewidth": 0.5,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
    }
    with matplotlib.rc_context(settings):
        yield


def panels(titles: tuple[str, str], height: float, **axis: Any) -> tuple[Figure, list[Axes]]:
    """A figure of two panels on the same scales with these titles, rates in percent."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = list(figure.subplots(1, 2, sharex=True, sharey=True))
    percent = FuncFormatter(lambda rate, _: f"{100 * rate:g}")
    for panel, title in zip(axes, titles, strict=True):
        panel.set(title=title, **axis)
        for scale in (panel.xaxis, panel.yaxis):
            scale.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
            scale.set_major_formatter(percent)
    return figure, axes


def looks(methods: Sequence[str]) -> dict[str, Look]:
    """How each method is drawn, the same with and without fine-tuning; grey from the eighth strategy on."""
    plain = list(dict.fromkeys(map(names.untuned, methods)))
    return {method: look(plain.index(names.untuned(method))) for method in methods}


def mark(method: str, look: Look) -> dict[str, Any]:
    """How the mark of `method` is drawn: full where it fine-tunes, hollow where it only prunes."""
    filling = look.colour if names.tunes(method) else "none"
    return {"ls": "", "marker": look.marker, "color": look.colour, "mfc": filling, "mew": 1.4}


def label(name: str) -> str:
    """`name` for a legend: shortened, and without the leading underscore that would hide it."""
    short = name if len(name) <= 48 else f"{name[:24]}…{name[-23:]}"
    return f" {short}" if short.startswith("_") else short


def legend(figure: Figure, *columns: list[Line2D]) -> None:
    """Put `columns` of handles below the panels; the figure grows by their height."""
    height = max(map(len, columns))
    figure.set_figheight(figure.get_figheight() + 0.19 * height)
    padded = [handle for column in columns for handle in [*column, *_blanks(height - len(column))]]
    figure.legend(handles=padded, loc="outside lower left", ncols=len(columns))


def _blanks(count: int) -> list[Line2D]:
    return [Line2D([], [], ls="", label=" ") for _ in range(count)]
