"""`report.html`: one page with everything, that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import pandas as pd

from fineprune.comparison import shown
from fineprune.comparison.contents import Comparison, Drawing
from fineprune.comparison.ranking import SCORE
from fineprune.comparison.verdict import Verdict

CAPTIONS = {
    "attacks": "Each method under each attack",
    "areas": "Area under the curve of the smallest ASR",
    "oracles": "Oracles",
    "unattacked": "On networks without a backdoor",
    "not_applicable": "Not applicable",
}


@dataclass(frozen=True)
class Span:
    """An interval of DER as a small picture, each from 0 to 100; `nothing` is where a DER of 50 % lies."""

    low: float
    mean: float
    high: float
    nothing: float


@dataclass(frozen=True)
class Cell:
    """One cell: its text, the interval below it, the number that it sorts by, and the interval drawn."""

    text: str
    bounds: str
    value: float | None
    span: Span | None


@dataclass(frozen=True)
class Table:
    """A table for the page."""

    caption: str
    columns: list[shown.Column]
    rows: list[list[Cell]]


@dataclass(frozen=True)
class Picture:
    """A drawing as data URIs, in the ink of each theme."""

    title: str
    alt: str
    light: str
    dark: str


@dataclass(frozen=True)
class Section:
    """What stands under one point."""

    verdict: Verdict
    ranking: Table
    pairs: Table | None
    ranks: Picture | None


def html(found: Comparison) -> str:
    """The page. Names come from strangers: the template escapes them all, and no script runs but its own."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    parts = files("fineprune.comparison").joinpath("report")
    script = parts.joinpath("report.js").read_text("utf-8")
    loader = PackageLoader("fineprune.comparison", "report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html.j2").render(
        source=found.source,
        counts=_counts(found),
        answers=found.answers,
        sections=[_section(found, verdict) for verdict in found.verdicts if len(verdict.ranking)],
        trade_offs=[_picture(drawing) for drawing in found.trade_offs],
        curves=[_picture(drawing) for drawing in found.curves],
        tables={name: _table(CAPTIONS[name], found.tables[name]) for name in CAPTIONS if name in found.tables},
        style=parts.joinpath("report.css").read_text("utf-8"),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _counts(found: Comparison) -> list[str]:
    numbers = {"run": len(found.runs)} | {name: found.results[name].nunique() for name in ("method", "attack", "seed")}
    return [f"{number} {name}{'' if number == 1 else 's'}" for name, number in numbers.items()]


def _section(found: Comparison, verdict: Verdict) -> Section:
    name = verdict.name
    pairs = verdict.tests.pairs
    pairs = pairs[pairs["first"].isin(pairs["first"].head(1))]  # all of them would be hundreds of rows
    return Section(
        verdict,
        _table(f"At {name}, over all attacks", verdict.ranking.drop(columns="point"), _scale(found)),
        _table(f"The first at {name} against each other method", pairs) if len(pairs) else None,
        _picture(found.ranks[verdict.point]) if verdict.point in found.ranks else None,
    )


def _scale(found: Comparison) -> tuple[float, float]:
    """From where to where spans reach, the same for all points."""
    bounds = pd.concat([found.tables["ranking"][f"{SCORE}{end}"] for end in ("", "_low", "_high")])
    return min(0.5, bounds.min()) - 0.01, max(0.5, bounds.max()) + 0.01


def _table(caption: str, rows: pd.DataFrame, scale: tuple[float, float] | None = None) -> Table:
    known = shown.prepared(rows)
    columns = sorted(shown.columns(known), key=lambda column: column.name != "method")  # it stays when others scroll
    return Table(
        caption, columns, [[_cell(column, row, scale) for column in columns] for row in known.to_dict("records")]
    )


def _cell(column: shown.Column, row: dict[Any, Any], scale: tuple[float, float] | None) -> Cell:
    value = float(row[column.name]) if column.numeric and pd.notna(row[column.name]) else None
    span = _span(row, scale) if scale and column.name == SCORE and column.bounds(row) else None
    return Cell(column.text(row), column.bounds(row), value, span)


def _span(row: dict[Any, Any], scale: tuple[float, float]) -> Span:
    first, last = scale
    values = (row[f"{SCORE}_low"], row[SCORE], row[f"{SCORE}_high"], 0.5)
    return Span(*(round(100 * (value - first) / (last - first), 1) for value in values))


def _picture(drawing: Drawing) -> Picture:
    light, dark = (base64.b64encode(text.encode()).decode() for text in (drawing.light, drawing.dark))
    return Picture(
        drawing.title, drawing.alt, f"data:image/svg+xml;base64,{light}", f"data:image/svg+xml;base64,{dark}"
    )
