"""CONTRIBUTING.md's strategy, run as it is written there."""

import re
import shutil
from pathlib import Path

import pytest
from commands import run

from fineprune.testing import check_strategy

ROOT = Path(__file__).parents[2]
DATA = ("data.identities=3", "data.train=6", "data.clean_valid=4", "data.clean_test=4", "badnet.epochs=1")


def block(language: str) -> str:
    """The block of that language in CONTRIBUTING.md, less its indentation."""
    block = re.search(
        rf"^ *```{language}\n(.*?)^ *```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert block
    return re.sub(r"^   ", "", block[1], flags=re.MULTILINE)


@pytest.mark.slow
def test_it_keeps_the_contract() -> None:
    names: dict[str, type] = {}
    exec(block("python"), names)  # noqa: S102  our own text
    check_strategy(names["SmallFilters"])


@pytest.mark.end_to_end
def test_it_sweeps_a_residual_network_once_it_stands_where_it_says(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for part in ("conf", "fineprune", "runners", "strategies"):
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "strategies" / "small_filters.py").write_text(block("python"))
    (tree / "conf" / "strategy" / "small_filters.yaml").write_text(block("yaml"))
    settings = ("strategy=small_filters", "strategy.chunk=50", "architecture=resnet", "tracking=none")
    ended = run(tmp_path, "sweep", *settings, *DATA, "hydra.run.dir=out", tree=tree)
    assert (ended.status, "small_filters" in (tmp_path / "out" / "summary.json").read_text()) == (0, True), ended.err
