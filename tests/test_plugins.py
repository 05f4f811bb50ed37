"""What is installed is trusted, as Python trusts it: what its entry points name, and nothing that only says so."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fineprune import plugins
from fineprune.attacks import Attack
from fineprune.config import help as help_of
from fineprune.config.arguments import _composed
from fineprune.config.choices import CONF, choices, written
from fineprune.config.instantiate import instantiate
from fineprune.errors import ConfigError
from fineprune.strategy import Strategy

CODE = """
from fineprune.strategies.controls.none import NoPruning

class Theirs(NoPruning):
    pass
"""
YAML = "# Prunes nothing, as none does.\n_target_: theirs.strategy.Theirs\n"
ENTRIES = "[fineprune.strategies]\ntheirs = theirs.strategy:Theirs\nbroken = theirs.broken:Broken\n"


def install(folder: Path) -> None:
    """Put a package `theirs` into `folder`, as pip does."""
    (folder / "theirs" / "conf" / "strategy").mkdir(parents=True)
    (folder / "theirs" / "__init__.py").touch()
    (folder / "theirs" / "strategy.py").write_text(CODE)
    (folder / "theirs" / "other.py").write_text("raise SystemExit('ran')")
    (folder / "theirs" / "broken.py").write_text("import a_module_that_is_missing")
    for name in ("theirs", "none"):
        (folder / "theirs" / "conf" / "strategy" / f"{name}.yaml").write_text(YAML)
    (folder / "theirs-1.dist-info").mkdir()
    (folder / "theirs-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (folder / "theirs-1.dist-info" / "entry_points.txt").write_text(ENTRIES)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where Python looks for packages, with `theirs` in it."""
    install(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    forget()
    yield tmp_path / "site"
    forget()


def forget() -> None:
    plugins.targets.cache_clear()
    plugins.folders.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "theirs"]:
        del sys.modules[name]


def make(target: str, kind: type = Strategy) -> object:
    return instantiate(OmegaConf.create({"_target_": target}), kind)


def test_what_an_entry_point_names_can_be_made(site: Path) -> None:
    assert type(make("theirs.strategy.Theirs")).__name__ == "Theirs"


def test_nothing_else_of_its_package_can_and_none_of_it_is_imported(site: Path) -> None:
    for target in ("theirs.other.Other", "theirs.strategy.NoPruning", "theirs.Theirs"):
        with pytest.raises(ConfigError, match=r"an entry point of what is installed, that makes a Strategy, got "):
            make(target)
    assert not [name for name in sys.modules if name.split(".")[0] == "theirs"]


def test_it_has_to_make_what_belongs_there(site: Path) -> None:
    with pytest.raises(ConfigError, match="that makes a Attack, got 'theirs.strategy.Theirs'"):
        make("theirs.strategy.Theirs", Attack)


def test_what_is_wrong_with_its_code_is_shown_to_its_author(site: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_missing"):
        make("theirs.broken.Broken")


def test_a_folder_that_says_so_of_itself_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was unpacked beside data, and is where the user is, when `python -m` looks there first."""
    install(tmp_path)
    monkeypatch.chdir(tmp_path)
    for first in ("", str(tmp_path)):
        monkeypatch.syspath_prepend(first)
    forget()
    with pytest.raises(ConfigError, match="nothing was run"):
        make("theirs.strategy.Theirs")
    assert "theirs" not in choices("strategy") and "theirs" not in sys.modules
    forget()


def test_its_settings_are_listed_explained_and_read(site: Path) -> None:
    assert "theirs" in choices("strategy")
    assert "strategy=theirs: Prunes nothing, as none does." in help_of.text("sweep", ["strategy=theirs"])
    assert _composed("strategy", "theirs", 0).strategy == {"_target_": "theirs.strategy.Theirs"}


def test_it_takes_no_name_from_fineprune(site: Path) -> None:
    assert written("strategy/none") == CONF / "strategy" / "none.yaml"
    assert _composed("strategy", "none", 0).strategy == {"_target_": "strategies.controls.none.NoPruning"}
