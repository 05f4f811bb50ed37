"""`--help`: what can be chosen and set, each in the words of its YAML, on a narrow terminal."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf
from settings import CHOICES, CONF, compose

from fineprune.config import help as help_of
from fineprune.config.reference import Setting, groups, settings, summary

ROOT = Path(__file__).parents[2]
COMMANDS = ["sweep", "compare", "study", "tune", "badnets", "train_badnet", "evaluate", "predict", "convert", "publish"]
REQUIRED = {"predict": ["images=a"], "convert": ["out=a.h5"], "publish": ["folder=a"]}
GROUPS = [choice for choice in CHOICES if not choice.startswith("experiment=")]


def test_a_setting_is_explained_by_the_comments_above_and_behind_its_key() -> None:
    by_name = {setting.name: setting for setting in settings("sweep")}
    assert by_name["seed"] == Setting("seed", "0", "Changes everything random, and nothing else.")
    assert by_name["budgets"].default == "[0.02, 0.04, 0.10]"
    assert by_name["strategy"] == Setting("strategy", "channel_activation", "what is pruned, and in which order")
    chunk = next(setting for setting in settings("strategy/anp") if setting.name == "strategy.chunk")
    assert chunk == Setting("strategy.chunk", "4", "channels per step")


def test_a_choice_that_builds_on_another_takes_over_its_words() -> None:
    by_name = {setting.name: setting for setting in settings("data/gtsrb")}
    assert by_name["data.root"] == Setting("data.root", "data/gtsrb", "the folder that the files are relative to")


def test_settings_inside_a_setting_have_its_words_where_they_have_none() -> None:
    by_name = {setting.name: setting for setting in settings("attack/multi_trigger_multi_target")}
    assert by_name["attack.targets.lipstick"].help == "the class that images with each trigger are given"


def test_a_file_s_first_comment_is_about_the_whole_of_it() -> None:
    assert summary("finetune/none") == "Pruning alone."
    assert settings("finetune/none") == [Setting("finetune", "null", "")]


@pytest.mark.parametrize("choice", GROUPS)
def test_defaults_are_those_that_a_run_has(choice: str) -> None:
    group, _, name = choice.partition("=")
    composed = compose(choice)
    for setting in settings(f"{group}/{name}"):
        node = OmegaConf.select(composed, setting.name.rpartition(".")[0]) if "." in setting.name else composed
        raw = OmegaConf.to_container(node, resolve=False)
        assert yaml.safe_load(setting.default) == raw[setting.name.rpartition(".")[2]] or setting.default == "{}"


@pytest.mark.parametrize("config", COMMANDS)
@pytest.mark.slow
def test_every_group_and_setting_of_a_command_is_explained(config: str) -> None:
    assert [setting.name for setting in settings(config) if not setting.help] == []
    composed = compose(*REQUIRED.get(config, []), config=config)
    assert {setting.name.partition(".")[0] for setting in settings(config)} >= set(composed)


@pytest.mark.parametrize("choice", GROUPS)
def test_every_setting_of_a_choice_is_explained_unless_it_follows_another(choice: str) -> None:
    group, _, name = choice.partition("=")
    silent = [setting for setting in settings(f"{group}/{name}") if not setting.help]
    assert all(help_of.FOLLOWS.fullmatch(setting.default) or setting.name in ALONE for setting in silent)


# Of these the name says all: an architecture is chosen by its file, triggers by what they are called.
ALONE = {"aftermath", "architecture.name", "finetune", "shift"}
ALONE |= {f"data.poisoned.{name}" for name in ("sunglasses", "eyebrows", "lipstick")}
ALONE |= {"data.poisoned.anonymous_1"}


@pytest.mark.parametrize("config", COMMANDS)
def test_help_fits_80_columns_and_shows_no_internals(config: str) -> None:
    text = help_of.text(config, [])
    assert max(map(len, text.splitlines())) <= 80
    assert not [word for word in ("_target_", "run_folder", "callbacks", "schema") if word in text]


def test_help_lists_every_choice() -> None:
    text = help_of.text("sweep", [])
    for group in groups("sweep"):
        assert all(file.stem in text for file in (CONF / group.name).glob("*.yaml"))


def test_help_shows_the_settings_of_what_is_chosen() -> None:
    default, chosen = help_of.text("sweep", []), help_of.text("sweep", ["strategy=anp", "-h"])
    assert "strategy.rank_at=auto" in default
    assert "strategy.rank_at" not in chosen
    assert "strategy.iterations=2000" in chosen
    assert help_of.text("sweep", ["strategy=nothing"]) == default


@pytest.mark.end_to_end
def test_a_runner_prints_it(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "runners.sweep", "strategy=anp", "--help"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (help_of.text("sweep", ["strategy=anp"]), "")
