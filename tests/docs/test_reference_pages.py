"""The reference is read from the YAML files and the classes, and has everything that they have."""

from pathlib import Path
from typing import Any

import pytest
import reference_pages
from omegaconf import OmegaConf
from reference_pages import table
from settings import CHOICES, CONF

from fineprune.config.reference import settings, summary
from fineprune.strategies.controls.none import NoPruning
from fineprune.strategies.masks.anp import AdversarialNeuronPruning

FILES = sorted(CONF.rglob("*.yaml"))


def flat(values: dict[Any, Any], prefix: str = "") -> dict[str, Any]:
    """All values, at any depth, by their names with dots."""
    rows: dict[str, Any] = {}
    for key, value in values.items():
        rows |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return rows


def config(file: Path) -> str:
    return str(file.relative_to(CONF).with_suffix(""))


@pytest.mark.parametrize("file", FILES, ids=config)
def test_no_setting_is_missed_and_no_default_is_wrong(file: Path) -> None:
    loaded = OmegaConf.to_container(OmegaConf.load(file))
    assert isinstance(loaded, dict)
    wanted = {key: loaded[key] for key in loaded if key not in ("defaults", "hydra", "_target_")}
    inside = "/" in config(file) and "# @package _global_" not in file.read_text()
    prefix = ".".join([*config(file).split("/")[:-1], ""]) if inside else ""
    read = OmegaConf.from_dotlist([f"{row.name}={row.default}" for row in settings(config(file))])
    own = {key: value for key, value in flat(wanted, prefix).items() if not key.endswith("_target_")}
    assert own.items() <= flat(OmegaConf.to_container(read)).items()  # type: ignore[arg-type]


@pytest.mark.parametrize("file", FILES, ids=config)
def test_every_file_says_what_it_chooses(file: Path) -> None:
    assert summary(config(file)).endswith((".", "`"))


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_has_its_section(choice: str) -> None:
    assert f"### `{choice}`\n" in reference_pages.group_section(choice.partition("=")[0])


def test_a_preset_says_what_it_chooses() -> None:
    assert "Chooses `strategy=channel_activation`, `finetune=clean`." in reference_pages.group_section("experiment")


def test_what_builds_on_another_choice_has_its_settings_and_their_help() -> None:
    section = reference_pages.group_section("data").partition("### `data=csaw_anonymous_1`")[2]
    assert "| `data.root` | `data` | the folder that the files are relative to |" in section


def test_every_runner_has_its_section() -> None:
    runners = [file.stem for file in (CONF.parent / "runners").glob("[!_]*.py") if file.stem != "console"]
    section = reference_pages.runners_section()
    assert all(f"## {name}\n" in section for name in runners)
    assert "| `budgets` | `[0.02, 0.04, 0.10]` | Allowed falls of accuracy" in section


def test_every_strategy_has_its_row() -> None:
    rows = reference_pages.strategies_section()
    assert [row.split("`")[1] for row in rows.splitlines()[2:]] == [
        choice.removeprefix("strategy=") for choice in CHOICES if choice.startswith("strategy=")
    ]
    assert "| poisoned images (an oracle) | no |" in rows


def test_the_readme_has_the_table_of_strategies() -> None:
    assert reference_pages.strategies_in_short() in (CONF.parent / "README.md").read_text()


def test_a_strategy_names_its_paper_where_it_has_one() -> None:
    assert reference_pages.source(AdversarialNeuronPruning()).startswith('Wu and Wang, "Adversarial Neuron Pruning')
    assert reference_pages.source(NoPruning()) == ""


def test_a_bar_does_not_end_a_cell() -> None:
    assert table(("a", "b"), [("x|y", "z")]) == "| a | b |\n| --- | --- |\n| x\\|y | z |"
