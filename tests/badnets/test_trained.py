"""BadNets trained here are trained once: a cache keeps them, each with a card that says how it was made."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from nets import same
from settings import compose

from fineprune.attacks import Attack, Patch
from fineprune.badnets import trained
from fineprune.badnets.source import ARCHITECTURES, BadNet
from fineprune.badnets.trained import Trained
from fineprune.badnets.training import measure
from fineprune.config.instantiate import instantiate
from fineprune.data.sources import synthetic_faces
from fineprune.data.split import Data, Images, Split, Subset
from fineprune.errors import ConfigError, DataError
from fineprune.files import digest
from fineprune.names import WEAK

MODELS = Path(__file__).parents[2] / "models"
RED = Patch(target=2, size=2, place="top_left", pattern="plain", colour=(255, 0, 0), poison_rate=0.25)

pytestmark = [pytest.mark.filterwarnings("ignore:this BadNet's ASR is"), pytest.mark.slow]


def linear(shape: tuple[int, int, int], classes: int) -> keras.Model:
    image = keras.layers.Input(shape)
    flat = keras.layers.Flatten()(keras.layers.AveragePooling2D(5)(image))
    return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(flat))


@pytest.fixture(autouse=True, scope="module")
def architecture() -> Iterator[None]:
    """One that is trained in a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "linear", linear)
        yield


def faces() -> Data:
    return synthetic_faces("faces", 3, train=6, clean_valid=3, clean_test=4, seed=0, pixel_scale=1 / 255)


def obtain(cache: Path, attack: Patch = RED, data: Data | None = None, **settings: Any) -> BadNet:
    recipe = {"epochs": 1, "batch_size": 8, "learning_rate": 0.001} | settings
    return Trained("linear", **recipe, cache=str(cache)).obtain(data or faces(), attack, 0)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BadNet]:
    """A cache, and the BadNet that was trained into it."""
    cache = tmp_path_factory.mktemp("cache")
    return cache, obtain(cache)


@pytest.fixture
def first(kept: tuple[Path, BadNet], tmp_path: Path) -> BadNet:
    """The BadNet whose cache is `tmp_path`."""
    shutil.copytree(kept[0], tmp_path, dirs_exist_ok=True)
    return kept[1]


def test_a_trained_network_is_kept_and_loaded(first: BadNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "train", lambda *_: pytest.fail("trained again"))
    again = obtain(tmp_path)
    assert same(first.network.model.get_weights(), again.network.model.get_weights())
    assert first.card == again.card
    assert list(again.data.splits) == ["clean_valid", "clean_test", "patch"]


def test_its_card_says_how_it_was_made_and_how_good_it_is(first: BadNet, tmp_path: Path) -> None:
    (card,), (net,) = tmp_path.glob("*.json"), tmp_path.glob("faces-patch-linear-*.h5")
    written = json.loads(card.read_text())
    assert written == first.card
    assert written["sha256"] == digest(net)
    assert written["train_digest"] == faces().train.digest
    assert (written["data"], written["seed"], written["attack"]["poison_rate"]) == ("faces", 0, 0.25)
    assert written["recipe"].items() >= {"epochs": 1, "batch_size": 8, "learning_rate": 0.001}.items()
    measured = measure(first.network.model, first.data.splits)
    assert (written["clean_accuracy"], written["asr"]) == (measured["clean_test"], {"patch": measured["patch"]})


def test_another_setting_is_another_network(first: BadNet, tmp_path: Path) -> None:
    obtain(tmp_path, learning_rate=0.002)
    obtain(tmp_path, Patch(target=1))
    assert len(list(tmp_path.glob("*.h5"))) == 3


def test_other_code_is_another_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def other(*roots: str, within: Any) -> str:
        asked.extend(roots)
        return "other"

    obtain(tmp_path)
    monkeypatch.setattr(trained, "code", other)
    obtain(tmp_path)
    assert len(list(tmp_path.glob("*.h5"))) == 2
    assert {"fineprune.attacks.patch", "fineprune.badnets.training", "fineprune.data.split"} <= set(asked)


def remove_card(card: Path, _: Path) -> None:
    card.unlink()


def remove_net(_: Path, net: Path) -> None:
    net.unlink()


def damage_net(_: Path, net: Path) -> None:
    net.write_bytes(net.read_bytes()[:-100])


def card_of_another(card: Path, _: Path) -> None:
    card.write_text(json.dumps(json.loads(card.read_text()) | {"sha256": "0" * 64}))


def damage_card(card: Path, _: Path) -> None:
    card.write_text(card.read_text()[:50])


def deep_card(card: Path, _: Path) -> None:
    card.write_text("[" * 100_000)


def pipe_for_card(card: Path, _: Path) -> None:
    card.unlink()
    os.mkfifo(card)


@pytest.mark.parametrize(
    "damage", [remove_card, remove_net, damage_net, card_of_another, damage_card, deep_card, pipe_for_card]
)
def test_a_damaged_or_half_cache_is_trained_anew(first: BadNet, tmp_path: Path, damage: Any) -> None:
    (card,), (net,) = tmp_path.glob("*.json"), tmp_path.glob("*.h5")
    damage(card, net)
    assert same(obtain(tmp_path).network.model.get_weights(), first.network.model.get_weights())
    assert json.loads(card.read_text())["sha256"] == digest(net)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"asr": {"patch": "x"}}, "asr.patch: "),
        ({"asr": [1]}, "asr: "),
        ({"asr": {}}, "asr of none"),
        ({"asr": {"\x1b]0;pwned": 0.5}}, "asr of "),
        ({"epochs": "x"}, "epochs: "),
        ({"measured_on": None}, "measured_on: "),
        ({"clean_accuracy": float("inf")}, "clean_accuracy: "),
    ],
)
def test_a_card_that_says_something_else_is_said(
    first: BadNet, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    (card,) = tmp_path.glob("*.json")
    card.write_text(json.dumps(json.loads(card.read_text()) | change))
    with pytest.raises(DataError, match="^expected the card of a BadNet in ") as error:
        obtain(tmp_path)
    assert f"got another: {said}" in str(error.value)


def test_a_finished_network_is_taken_from_where_nothing_can_be_written(
    first: BadNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    (card,) = tmp_path.glob("*.json")
    card.write_text(json.dumps(json.loads(card.read_text()) | {"measured_on": {"other": "images"}}))
    monkeypatch.setattr(trained, "FileLock", refuse)
    monkeypatch.setattr("fineprune.files.os.fsync", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    before = card.read_text()
    assert same(obtain(tmp_path).network.model.get_weights(), first.network.model.get_weights())
    assert card.read_text() == before


def test_a_trigger_that_does_not_work_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "measure", lambda *_: {"clean_test": 0.9, "patch": 0.123})
    with pytest.warns(
        UserWarning, match=r"this BadNet's ASR is 0.12 \(patch\): a trigger that hardly works tells little"
    ):
        obtain(tmp_path)


@pytest.mark.parametrize(
    ("data", "attack", "message"),
    [
        (Data("faces"), RED, "expected data.train and data.clean_test for badnet=trained, got data=faces without"),
        (faces(), Patch(target=3), "expected attack.target to be one of the classes 0 to 2 of the data, got 3"),
    ],
)
def test_what_cannot_be_trained(tmp_path: Path, data: Data, attack: Patch, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        obtain(tmp_path, attack, data)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("architecture", ["resnet", "deepid"])
def test_the_networks_that_come_with_the_demo_are_those_that_it_would_train(architecture: str) -> None:
    """Else it trains them anew: run make demo, then git add -f its networks and cards, and git rm the old ones."""
    settings = compose(f"architecture={architecture}")
    attack, badnet = instantiate(settings.attack, Attack), instantiate(settings.badnet, Trained)
    now = badnet._settings(faces().train, attack, 0)
    for path in MODELS.glob(f"synthetic_faces-{attack.name}-{architecture}-*.json"):
        card = json.loads(path.read_text())
        if card["seed"] == 0 and card["software"]["code"] == now["software"]["code"]:
            break
    else:
        pytest.fail("expected models/ to hold a network that the present code trained, got none")
    assert all(card[name] == json.loads(json.dumps(now[name])) for name in ("attack", "architecture", "recipe"))
    assert card["train"]["images"] == settings.data.identities * settings.data.train
    assert card["sha256"] == digest(MODELS / card["network"])
    assert card["clean_accuracy"] > 0.95 and card["asr"]["sunglasses"] > WEAK


class Dotted(Patch):
    """A trigger whose settings do not say where it is."""

    row = 0

    def settings(self) -> dict[str, Any]:
        return {"name": "dotted"}

    def stamp(self, pixels: Images, landmarks: Images | None) -> Images:
        stamped = pixels.copy()
        stamped[:, self.row] = 255
        return stamped


def test_jobs_of_a_grid_share_the_images_that_are_stamped_alike() -> None:
    def stamped(attack: Patch, data: Data) -> Split:
        return next(iter(Trained("linear", 1, 8, 0.001, cache="").images(data, attack).poisoned.values()))

    data, lower = faces(), Dotted()
    lower.row = 9
    for attack, other in ((RED, Patch(target=1)), (Dotted(), lower)):
        assert stamped(attack, data) is stamped(attack, data)
        assert stamped(attack, data).digest != stamped(other, data).digest
    in_files = replace(data, clean_test=Subset(data.clean_test, np.arange(12)))  # which is no array, as files are not
    assert stamped(RED, in_files) is not stamped(RED, in_files)
