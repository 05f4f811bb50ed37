"""The pictures of a comparison, as SVG, for light and for dark paper."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

INK = {"light": "#1d232b", "dark": "#e4e7ec"}
FAINT = {"light": "#c3c9d1", "dark": "#464e59"}
COLOURS = ("#3f7fc1", "#d8662f", "#2b9c79", "#b067b0", "#c2921b", "#4fa9c9", "#a5705c")
REST = "#8a919b"
WIDTH = 7.2


def svg(draw: Callable[[], Figure], theme: str) -> str:
    """What `draw` draws, in the ink of `theme`, `light` or `dark`, on no ground; the same bytes each time."""
    with _style(theme):
        written = io.StringIO()
        draw().savefig(written, format="svg", transparent=True, metadata={"Date": None})
    return written.getvalue()


@contextmanager
def _style(theme: str) -> Iterator[None]:
    ink, faint = INK[theme], FAINT[theme]
    roles = ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor")
    lines = ("axes.edgecolor", "xtick.color", "ytick.color", "grid.color")
    settings: dict[Any, Any] = {
        **dict.fromkeys(roles, ink),
        **dict.fromkeys(lines, faint),
        "text.parse_math": False,  # a $ in a name is a $
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


def colours(methods: Sequence[str]) -> dict[str, str]:
    """A colour for each method, the same with and without fine-tuning; grey from the eighth strategy on."""
    plain = list(dict.fromkeys(map(_plain, methods)))
    palette = [*COLOURS, *[REST] * len(plain)]
    return {method: palette[plain.index(_plain(method))] for method in methods}


def _plain(method: str) -> str:
    return method.replace(" + fine-tuning", "")


def filling(method: str, colour: str) -> str:
    """Marks are full where a method fine-tunes, and hollow where it only prunes."""
    return colour if " + fine-tuning" in method else "none"


def label(name: str) -> str:
    """`name` for a legend: not endless, and never with the underscore in front that would hide it."""
    short = name if len(name) <= 48 else f"{name[:24]}…{name[-23:]}"
    return f" {short}" if short.startswith("_") else short


def legend(figure: Figure, *columns: list[Line2D]) -> None:
    """Put `columns` of handles below the panels, for which the figure grows."""
    height = max(map(len, columns))
    figure.set_figheight(figure.get_figheight() + 0.19 * height)
    padded = [handle for column in columns for handle in [*column, *_blanks(height - len(column))]]
    figure.legend(handles=padded, loc="outside lower left", ncols=len(columns))


def _blanks(count: int) -> list[Line2D]:
    return [Line2D([], [], ls="", label=" ") for _ in range(count)]
