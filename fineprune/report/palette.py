"""Colours, strokes and marks of every plot, told apart by readers who confuse colours, and in grey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

INK = "#1d232b"
# Okabe and Ito, "Color Universal Design" (2008), without yellow, which white paper swallows; INK is their black. The
# first few are those least alike.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#56B4E9", INK, "#E69F00", "#CC79A7")
REST = "#666666"
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")
_STROKES: tuple[Any, ...] = (
    "-",
    "--",
    "-.",
    ":",
    (0, (6, 1, 1, 1, 1, 1)),
    (0, (9, 2)),
    (0, (2, 1)),
    (0, (4, 1, 4, 1, 1, 1)),
)


@dataclass(frozen=True)
class Look:
    """How one of several things is drawn in a plot: each of the three tells it apart, where there are up to eight."""

    colour: str
    stroke: Any
    marker: str


def look(number: int) -> Look:
    """The look of the thing that is counted `number`, from 0; those that no colour is left for are grey."""
    colour = COLOURS[number] if number < len(COLOURS) else REST
    return Look(colour, _STROKES[number % len(_STROKES)], MARKERS[number % len(MARKERS)])
