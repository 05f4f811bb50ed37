"""Settings from a stranger make nothing but what this project is made of."""

import sys
from pathlib import Path
from typing import Any

import pytest
from commands import run
from omegaconf import OmegaConf

from fineprune.attacks import Patch
from fineprune.attacks.base import Attack
from fineprune.config.instantiate import instantiate
from fineprune.data.split import Data
from fineprune.errors import ConfigError
from fineprune.strategies.controls.none import NoPruning
from fineprune.strategy import Strategy
from fineprune.training.fine_tuning import FineTuning

PATCH = {"_target_": "fineprune.attacks.Patch", "target": 0, "poison_rate": 0.1, "size": 2, "place": "top_left"}
PATCH |= {"pattern": "plain", "colour": [1, 2, 3]}


def test_what_is_ours_is_made() -> None:
    assert isinstance(
        instantiate(OmegaConf.create({"_target_": "strategies.controls.none.NoPruning"}), Strategy), NoPruning
    )
    assert isinstance(instantiate(OmegaConf.create(PATCH), Attack), Patch)
    assert isinstance(
        instantiate(OmegaConf.create({"_target_": "fineprune.data.sources.h5", "name": "a", "pixel_scale": 1}), Data),
        Data,
    )
    assert instantiate(None, FineTuning, or_none=True) is None


@pytest.mark.parametrize("settings", [None, "text", 7, [1], [], {"_partial_": True}])
def test_what_makes_nothing_of_its_kind_is_said(settings: Any) -> None:
    if isinstance(settings, dict):
        settings = {"_target_": "strategies.controls.none.NoPruning", **settings}
    given = OmegaConf.create({"strategy": settings}).strategy
    with pytest.raises(ConfigError, match="^expected settings (of|that make) a Strategy.*, got "):
        instantiate(given, Strategy)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"_target_": "os.system", "command": "touch marker"}, "os.system"),
        ({"_target_": "builtins.eval", "_args_": ["1"]}, "builtins.eval"),
        ({"_target_": "fineprune.files.os.system", "command": "touch marker"}, "fineprune.files.os.system"),
        ({"_target_": "fineprune.files.write_text", "path": "marker", "text": "x"}, "fineprune.files.write_text"),
        ({"_target_": "fineprune.files.Path", "_args_": ["x"]}, "fineprune.files.Path"),
        ({"_target_": "fineprune.strategy.np.load", "file": "x"}, "fineprune.strategy.np.load"),
        ({"_target_": "fineprune.attacks.Patch"}, "fineprune.attacks.Patch"),
        ({"_target_": "strategies.nowhere.Nothing"}, "strategies.nowhere.Nothing"),
        ({"_target_": "strategies"}, "strategies"),
        ({"_target_": ["os.system"]}, ["os.system"]),
        ({}, None),
        ({"_target_": "strategies.controls.none.NoPruning", "deep": [{"in": {"_target_": "os.system"}}]}, "os.system"),
    ],
)
def test_anything_else_is_refused_and_not_run(
    settings: dict[str, Any], named: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        instantiate(OmegaConf.create(settings), Strategy)
    assert str(error.value) == (
        "expected _target_ to name something in fineprune or strategies, or an entry point of what is installed, "
        f"that makes a Strategy, got {named!r}: nothing was run; take one of those that --help lists"
    )
    assert list(tmp_path.iterdir()) == []


def test_no_other_module_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "strangers_module.py").write_text("raise SystemExit('ran')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"got 'strangers_module.X': nothing was run"):
        instantiate(OmegaConf.create({"_target_": "strangers_module.X"}), Strategy)
    assert "strangers_module" not in sys.modules


@pytest.mark.end_to_end
@pytest.mark.parametrize("runner", ["sweep", "compare"])
def test_on_the_command_line(tmp_path: Path, runner: str) -> None:
    group = {"sweep": "strategy", "compare": "tracking"}[runner]
    (tmp_path / "theirs" / group).mkdir(parents=True)
    (tmp_path / "theirs" / group / "evil.yaml").write_text("_target_: os.system\ncommand: touch marker\n")
    before = sorted(tmp_path.rglob("*"))
    ended = run(tmp_path, runner, "--config-dir=theirs", f"{group}=evil", "hydra.run.dir=out")
    assert ended.status == 2
    assert ended.err.startswith(
        "error: expected _target_ to name something in fineprune or strategies, or an entry point"
    )
    assert ended.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
