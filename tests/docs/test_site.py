"""The site has every page and every choice, leads nowhere that is not there, and loads nothing from elsewhere."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hooks
import pytest
import yaml
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort
from settings import CHOICES

import fineprune

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def pages(nav: list[Any]) -> list[str]:
    """The pages of a navigation, in its order."""
    return [
        page
        for entry in nav
        for value in (entry.values() if isinstance(entry, dict) else [entry])
        for page in (pages(value) if isinstance(value, list) else [value])
    ]


def test_every_page_is_in_the_navigation_once() -> None:
    listed = pages(load_config(str(ROOT / "mkdocs.yml")).nav)
    written = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    assert sorted(listed) == sorted([*written, *hooks.FROM_OUTSIDE.values()])


@pytest.mark.parametrize("folder", [DOCS, *(path for path in DOCS.rglob("*") if path.is_dir())])
def test_a_listing_fits_one_look(folder: Path) -> None:
    assert len([path for path in folder.iterdir() if path.name != "__pycache__"]) <= 12


@pytest.mark.parametrize(
    ("group", "page"),
    [
        ("data", "data/README.md"),
        ("badnet", "models/README.md"),
        ("aftermath", "docs/science/aftermath.md"),
        ("attack", "docs/science/attacks.md"),
        ("architecture", "docs/science/attacks.md"),
        ("experiment", "docs/how_to/published.md"),
    ],
)
def test_the_table_of_a_group_lists_every_choice(group: str, page: str) -> None:
    names = [choice.partition("=")[2] for choice in CHOICES if choice.startswith(f"{group}=")]
    text = (ROOT / page).read_text()
    assert [name for name in names if f"`{name}`" not in text and f"`{group}={name}`" not in text] == []


@pytest.mark.parametrize("group", sorted({choice.partition("=")[0] for choice in CHOICES}))
def test_the_reference_asks_for_every_group(group: str) -> None:
    assert f"<!-- generated: group {group} -->" in (DOCS / "reference" / "settings.md").read_text()


def test_generated_parts_are_filled_in() -> None:
    text = hooks.filled("before\n<!-- generated: group tracking -->\nafter")
    assert text.startswith("before\n### `tracking=mlflow`")
    assert text.endswith("\nafter")


@pytest.mark.parametrize(
    ("link", "at", "page", "leads"),
    [
        ("[a](../reference/errors.md#x)", "docs/how_to/data.md", "how_to/data.md", "[a](../reference/errors.md#x)"),
        ("[a](../../data/README.md)", "docs/how_to/data.md", "how_to/data.md", "[a](../reference/data.md)"),
        ("![a](../pictures/a.png)", "docs/how_to/data.md", "how_to/data.md", "![a](../pictures/a.png)"),
        ("[a](docs/how_to/strategy.md)", "CONTRIBUTING.md", "project/contributing.md", "[a](../how_to/strategy.md)"),
        ("[a.py](fineprune/goodnet.py)", "SECURITY.md", "project/security.md", "`a.py`"),
        ("[a](https://example.org/a.md)", "SECURITY.md", "project/security.md", "[a](https://example.org/a.md)"),
        ("[a](#here)", "SECURITY.md", "project/security.md", "[a](#here)"),
        ("[a](nowhere.md)", "SECURITY.md", "project/security.md", "[a](nowhere.md)"),
    ],
)
def test_links_of_the_repository_lead_to_pages_of_the_site(link: str, at: str, page: str, leads: str) -> None:
    assert hooks.relinked(link, at, page) == leads


@pytest.mark.parametrize(
    "text",
    [
        "[a](missing.md)",
        "[a](#missing)",
        "[a](index.md#missing)",
        "![a](missing.png)",
        '<img src="https://a.org/a.png">',
    ],
)
def test_a_broken_link_is_an_error(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# A\n\n{text}\n")
    with pytest.raises(Abort, match="1 warnings in strict mode"):
        small_site(tmp_path)


def test_a_page_outside_of_the_navigation_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("index", "forgotten"):
        (tmp_path / "docs" / f"{name}.md").write_text("# A\n")
    small_site(tmp_path, nav=["index.md", "forgotten.md"])
    with pytest.raises(Abort):
        small_site(tmp_path)


def small_site(folder: Path, nav: Sequence[str] = ("index.md",)) -> None:
    """The site of the pages in `folder`, by the settings of this one, without the pages from outside and the API."""
    options = {"docs_dir": str(folder / "docs"), "site_dir": str(folder / "site"), "nav": list(nav), "plugins": []}
    config = load_config(str(ROOT / "mkdocs.yml"), hooks=[], **options)
    config.plugins.events["post_page"].append(hooks.on_post_page)
    logging.getLogger("mkdocs").setLevel(logging.WARNING)
    build(config)


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == fineprune.__version__
