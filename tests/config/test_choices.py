"""Every YAML file that the command line offers makes what it names, of the settings that it names. New ones too."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import InstantiationException
from omegaconf import OmegaConf
from settings import CHOICES, compose

from fineprune.aftermath import Aftermath
from fineprune.attacks import Attack
from fineprune.badnets import Source
from fineprune.config.instantiate import instantiate
from fineprune.data import Data
from fineprune.data.shift import Shift
from fineprune.errors import ConfigError
from fineprune.strategy import Strategy
from fineprune.tracking import Tracking
from fineprune.training import FineTuning

pytestmark = pytest.mark.slow

KINDS: dict[str, type] = {
    "aftermath": Aftermath,
    "attack": Attack,
    "badnet": Source,
    "data": Data,
    "finetune": FineTuning,
    "shift": Shift,
    "strategy": Strategy,
    "tracking": Tracking,
}
OPEN = ["poisoned"]  # takes any key
NEEDS_FILES = (
    "expected the data.clean_valid images at data/.*, got no such file"
    "|expected a folder of images at train, got: No such file"
    "|expected mnist in Keras's folder"
    "|expected badnet.model=FILE or badnet.weights=FILE, got neither"
)
SMALL = {"data=synthetic_faces": ["data.identities=2", "data.train=1", "data.clean_valid=1", "data.clean_test=1"]}


def chosen(choice: str) -> dict[str, dict[str, Any]]:
    """The settings of each group that `choice` has a say in, but for images unless it names them."""
    composed = compose(choice, *SMALL.get(choice, []))
    group = choice.partition("=")[0]
    groups = [group] if group in KINDS else [name for name in KINDS if name != "data"]
    chosen = {name: OmegaConf.to_container(composed[name], resolve=True) for name in groups if composed[name]}
    # Of the aftermath there may be several: each has settings of its own.
    stages = {f"aftermath.{name}": settings for name, settings in dict(chosen.pop("aftermath", {})).items()}
    return {name: dict(settings) for name, settings in {**chosen, **stages}.items() if isinstance(settings, dict)}


def make(group: str, settings: dict[str, Any]) -> Any:
    return instantiate(OmegaConf.create(settings), KINDS[group.partition(".")[0]])


def make_unless_files_are_away(group: str, settings: dict[str, Any]) -> Any:
    try:
        return make(group, settings)
    except InstantiationException as error:
        if not re.match(NEEDS_FILES, str(error.__cause__)):
            raise
    return None


def unreachable(*_: Any, **__: Any) -> None:
    raise OSError("no network in this test")


@pytest.fixture(autouse=True)
def no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("tf_keras.src.utils.data_utils.urlretrieve", unreachable)


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_makes_what_it_names(choice: str) -> None:
    for group, settings in chosen(choice).items():
        made = make_unless_files_are_away(group, settings)
        assert made is None or isinstance(made, KINDS[group.partition(".")[0]])


WITH_DEFAULTS = [choice for choice in CHOICES if choice.startswith(("strategy=", "finetune=", "shift=", "aftermath="))]
NO_DEFAULTS = {"finetune=none", "shift=none", "finetune=clean", "strategy=magnitude_dense", "strategy=l2_norm"}


@pytest.mark.parametrize("choice", sorted({*WITH_DEFAULTS} - NO_DEFAULTS))
def test_the_defaults_of_a_class_are_those_of_its_file(choice: str) -> None:
    """So `fineprune.sweep(net, AdversarialNeuronPruning(), …)` is what `strategy=anp` is."""
    for group, settings in chosen(choice).items():
        made = make(group, settings)
        assert vars(made) == vars(type(made)())


def mistyped(settings: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each key with a letter too many, at any depth, and the settings with it."""
    for key, value in settings.items():
        if not key.startswith("_"):
            changed = copy.deepcopy(settings)
            changed[f"{key}x"] = changed.pop(key)
            yield f"{key}x", changed
        if isinstance(value, dict) and key not in OPEN:
            for name, inner in mistyped(value):
                yield name, {**settings, key: inner}


@pytest.mark.parametrize("choice", CHOICES)
def test_a_mistyped_key_fails_in_every_choice(choice: str) -> None:
    for group, settings in chosen(choice).items():
        for key, changed in mistyped(settings):
            with pytest.raises((InstantiationException, ConfigError), match=f"'{key}?'"):  # or the one that is missed
                make(group, changed)


def test_keys_are_mistyped_at_any_depth() -> None:
    assert [key for key, _ in mistyped({"_target_": "a", "b": 1, "c": {"d": 2}, "poisoned": {"e": 3}})] == [
        "bx",
        "cx",
        "dx",
        "poisonedx",
    ]
