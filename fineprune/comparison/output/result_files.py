"""The files of a comparison."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from fineprune.comparison.contents import Comparison
from fineprune.comparison.output import html_page, readable_tables
from fineprune.files import csv, write_text


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write the tables, the pictures and, last, the page to `folder`; return them all."""
    texts = {"results.csv": csv(comparison.results)}
    for name, table in comparison.tables.items():
        texts[f"{name}.csv"] = csv(table)
        texts[f"{name}.md"] = readable_tables.markdown(table)
        texts[f"{name}.tex"] = readable_tables.latex(table)
    pictures = (comparison.matrices, comparison.trade_offs, comparison.curves, comparison.strips)
    for drawing in (*chain(*pictures), *comparison.ranks.values()):
        texts[f"{drawing.name}.svg"] = drawing.svg
    texts["report.html"] = html_page.render(comparison)
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]
