"""`report.html`: one self-contained page, which loads nothing from the network."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import pandas as pd

from fineprune.comparison.contents import Comparison, Drawing
from fineprune.comparison.figure_style import in_both_themes
from fineprune.comparison.frame import PRICE
from fineprune.comparison.output import readable_tables
from fineprune.comparison.ranking import SCORE
from fineprune.comparison.removal import ASR
from fineprune.comparison.verdict import Verdict

# Left out of the page, which would be wider than a screen.
IN_FILES_ALONE = (
    *("pruned_der", "pruned_robust_accuracy", "pruned_accuracy", "fraction_pruned"),
    *("reached", "blocks"),
)
CAPTIONS = {
    "runs": "The runs",
    "attacks": "Each method under each attack",
    "areas": "Area under the curve of the smallest ASR",
    "sensitivity": "Each method with each of its settings",
    "aftermath": "What comes back, at each budget",
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
    columns: list[readable_tables.Column]
    rows: list[list[Cell]]


@dataclass(frozen=True)
class Picture:
    """A drawing as a data URI, in the ink of the reader's theme."""

    title: str
    alt: str
    attack: str
    source: str


@dataclass(frozen=True)
class Section:
    """The part of the page about one point."""

    verdict: Verdict
    ranking: Table
    pairs: Table | None
    ranks: Picture | None


@dataclass(frozen=True)
class Attack:
    """The heading of a column of the matrix."""

    name: str
    weak: bool


@dataclass(frozen=True)
class MatrixCell:
    """What a method left of an attack; `share`, the ASR in percent, shades the cell, and `about` shows on hovering."""

    attack: str
    asr: str
    share: float | None
    price: str
    removed: bool
    about: str


@dataclass(frozen=True)
class MatrixRow:
    """A method; `kind` is `control`, `oracle` or empty; None stands where nothing was measured."""

    method: str
    kind: str
    cells: list[MatrixCell | None]


@dataclass(frozen=True)
class Matrix:
    """Each method under each attack at one budget."""

    id: str
    caption: str
    attacks: list[Attack]
    rows: list[MatrixRow]


def render(comparison: Comparison) -> str:
    """The page. Names come from strangers, so the template escapes them all, and only its own script may run."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    parts = files("fineprune.comparison.output")
    script = parts.joinpath("report.js").read_text("utf-8")
    loader = PackageLoader("fineprune.comparison.output", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html.j2").render(
        source=comparison.source,
        about=comparison.about,
        bar=str(comparison.bar),
        headline=comparison.headline.point if comparison.answers else "",
        matrices={verdict.point: _matrix(comparison, verdict) for verdict in comparison.answers},
        attacks=list(comparison.results["attack"].unique()),
        files=[f"{name}.csv" for name in ("results", *comparison.tables)],
        counts=comparison.counts,
        answers=comparison.answers,
        sections=[_section(comparison, verdict) for verdict in comparison.verdicts if len(verdict.ranking)],
        trade_offs=[_picture(drawing) for drawing in comparison.trade_offs],
        curves=[_picture(drawing) for drawing in comparison.curves],
        strips=[_picture(drawing) for drawing in comparison.strips],
        tables={
            name: _table(CAPTIONS[name], comparison.tables[name]) for name in CAPTIONS if name in comparison.tables
        },
        style=parts.joinpath("report.css").read_text("utf-8"),
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _matrix(comparison: Comparison, verdict: Verdict) -> Matrix:
    rows = comparison.matrix(verdict.point)
    attacks = [Attack(str(name), bool(part["weak"].any())) for name, part in rows.groupby("attack", sort=False)]
    return Matrix(
        f"matrix-{verdict.point}",
        f"At {verdict.name}: what each method leaves of each attack",
        attacks,
        [_matrix_row(str(method), part, attacks) for method, part in rows.groupby("method", sort=False)],
    )


def _matrix_row(method: str, rows: pd.DataFrame, attacks: list[Attack]) -> MatrixRow:
    kind = next((kind for kind in ("oracle", "control") if rows[kind].any()), "")
    cells = {row["attack"]: _matrix_cell(row) for row in rows.to_dict("records")}
    return MatrixRow(method, kind, [cells.get(attack.name) for attack in attacks])


def _matrix_cell(row: dict[Any, Any]) -> MatrixCell:
    asr, price = 100 * row[ASR], round(-100 * row[PRICE], 1) + 0.0
    measured = pd.notna(asr)
    low, high = (100 * row[f"{ASR}_{end}"] for end in ("low", "high"))
    interval = f", ASR 95 % interval {low:.1f} to {high:.1f}" if pd.notna(low) else ""
    about = f"{row['method']} under {row['attack']}, {row['seeds']} seed{'' if row['seeds'] == 1 else 's'}{interval}"
    change = f"{price:+.1f}".replace("-", "−")
    return MatrixCell(
        str(row["attack"]),
        f"{asr:.1f}" if measured else "",
        round(asr, 1) if measured else None,
        change,
        bool(row["removed"]),
        about,
    )


def _section(comparison: Comparison, verdict: Verdict) -> Section:
    name = verdict.name
    pairs = verdict.tests.pairs
    pairs = pairs[pairs["first"].isin(pairs["first"].head(1))]  # all of them would be hundreds of rows
    return Section(
        verdict,
        _table(f"At {name}, over all attacks", verdict.ranking.drop(columns="point"), _scale(comparison)),
        _table(f"The first at {name} against each other method", pairs) if len(pairs) else None,
        _picture(comparison.ranks[verdict.point]) if verdict.point in comparison.ranks else None,
    )


def _scale(comparison: Comparison) -> tuple[float, float]:
    """The lower and upper end of the scale of spans, the same for all points."""
    bounds = pd.concat([comparison.tables["ranking"][f"{SCORE}{end}"] for end in ("", "_low", "_high")])
    return min(0.5, bounds.min()) - 0.01, max(0.5, bounds.max()) + 0.01


def _table(caption: str, rows: pd.DataFrame, scale: tuple[float, float] | None = None) -> Table:
    table = readable_tables.with_texts(rows)
    # The method comes first, since that column stays when the others scroll.
    columns = sorted(readable_tables.columns(table), key=lambda column: column.name != "method")
    columns = [column for column in columns if column.name not in IN_FILES_ALONE]
    return Table(
        caption, columns, [[_cell(column, row, scale) for column in columns] for row in table.to_dict("records")]
    )


def _cell(column: readable_tables.Column, row: dict[Any, Any], scale: tuple[float, float] | None) -> Cell:
    value = float(row[column.name]) if column.numeric and pd.notna(row[column.name]) else None
    span = _span(row, scale) if scale and column.name == SCORE and column.bounds(row) else None
    return Cell(column.text(row), column.bounds(row), value, span)


def _span(row: dict[Any, Any], scale: tuple[float, float]) -> Span:
    first, last = scale
    values = (row[f"{SCORE}_low"], row[SCORE], row[f"{SCORE}_high"], 0.5)
    return Span(*(round(100 * (value - first) / (last - first), 1) for value in values))


def _picture(drawing: Drawing) -> Picture:
    encoded = base64.b64encode(in_both_themes(drawing.svg).encode()).decode()
    return Picture(drawing.title, drawing.alt, drawing.attack, f"data:image/svg+xml;base64,{encoded}")
