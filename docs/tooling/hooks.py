"""What MkDocs runs while it builds the site: pages from outside of docs/, generated parts, and links between them."""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]  # MkDocs runs this file alone

import reference_pages  # noqa: E402

log = get_plugin_logger("fineprune")

# Pages that stand where their readers look for them, and on the site too.
FROM_OUTSIDE = {
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "CHANGELOG.md": "project/changelog.md",
    "data/README.md": "reference/data.md",
    "models/README.md": "reference/models.md",
}
GENERATED: Mapping[str, Callable[..., str]] = {
    "runners": reference_pages.runners_section,
    "strategies": reference_pages.strategies_section,
    "group": reference_pages.group_section,
    "tree": reference_pages.tree_section,
}
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)#:]+)(?P<anchor>#[^)]*)?\)")
LOADED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^\">\s]*")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not stand in docs/."""
    for path, page in FROM_OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Fill in what is generated, and lead the repository's links to the site's pages."""
    uri = page.file.src_uri
    at = next((path for path, to in FROM_OUTSIDE.items() if to == uri), f"docs/{uri}")
    return relinked(filled(markdown), at, uri)


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Warn of whatever a page would load from elsewhere: the site has to work without a network."""
    for loaded in LOADED.findall(output):
        log.warning("%s loads something from elsewhere: %s", page.file.src_uri, loaded)
    return output


def filled(markdown: str) -> str:
    """`markdown` with `<!-- generated: NAME ARGUMENTS -->` replaced by what it stands for."""
    return re.sub(r"<!-- generated: (\w+) ?(.*?) ?-->", lambda part: GENERATED[part[1]](*part[2].split()), markdown)


def relinked(markdown: str, at: str, uri: str) -> str:
    """`markdown`, which stands in the repository `at`, with links that work from the page `uri` of the site.

    What stands in the repository but not on the site, such as code, is named without a link.
    """

    def relink(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(at), link["target"]))
        to = FROM_OUTSIDE.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if to is not None:
            relative = posixpath.relpath(to, posixpath.dirname(uri) or ".")
            return f"{link['image']}[{link['text']}]({relative}{link['anchor'] or ''})"
        return f"`{link['text']}`" if (ROOT / path).exists() else link[0]

    return LINK.sub(relink, markdown)
