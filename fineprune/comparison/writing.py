"""The files of a comparison."""

from __future__ import annotations

from pathlib import Path

from fineprune.comparison import page, shown
from fineprune.comparison.contents import Comparison
from fineprune.files import write_text


def write(found: Comparison, folder: Path) -> Path:
    """Write the tables, the pictures and, last, the page to `folder`; return the path of the page."""
    texts = {"results.csv": found.results.to_csv(index=False)}
    for name, table in found.tables.items():
        texts[f"{name}.csv"] = table.to_csv(index=False)
        texts[f"{name}.md"] = shown.markdown(table)
        texts[f"{name}.tex"] = shown.latex(table)
    for drawing in (*found.trade_offs, *found.curves, *found.ranks.values()):
        texts[f"{drawing.name}.svg"] = drawing.light
    texts["report.html"] = page.html(found)
    for name, text in texts.items():
        write_text(folder / name, text)
    return folder / "report.html"
