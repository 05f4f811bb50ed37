"""BadNets trained here: which images are poisoned, that a seed fixes everything, and that training happens once."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nets import same, tiny
from samples import pictures

from fineprune import badnets
from fineprune.attacks import Patch
from fineprune.badnets import BadNet, Trained
from fineprune.datasets import synthetic_faces
from fineprune.errors import ConfigError, FinepruneError
from fineprune.evaluation import predict
from fineprune.files import digest
from fineprune.fitting import Recipe
from fineprune.splits import ArraySplit, Data, PoisonedSplit
from fineprune.training import measure, poison, train

RED = Patch(target=2, size=2, place="top_left", pattern="plain", colour=(255, 0, 0), poison_rate=0.25)

pytestmark = pytest.mark.filterwarnings("ignore:this BadNet's ASR is")


def images() -> ArraySplit:
    """30 images of 3 classes, dim enough that none is red in the corner by itself."""
    return ArraySplit(pictures(30) // 2, np.arange(30) % 3, 1 / 255)


def faces() -> Data:
    return synthetic_faces("faces", 3, train=6, clean_valid=3, clean_test=4, seed=0, pixel_scale=1 / 255)


def obtain(cache: Path, attack: Patch = RED, data: Data | None = None, **settings: Any) -> BadNet:
    recipe = {"epochs": 1, "batch_size": 8, "learning_rate": 0.001} | settings
    return Trained("deepid", **recipe, cache=str(cache)).obtain(data or faces(), attack, 0)


@pytest.mark.usefixtures("small_blocks")
def test_exactly_the_rate_of_images_is_poisoned_and_none_of_the_target_class() -> None:
    clean = images()
    inputs, labels = poison(clean, RED, np.random.default_rng(0))
    red = (inputs[:, :2, :2] == np.array([1, 0, 0], np.float32)).all(axis=(1, 2, 3))
    assert red.sum() == round(0.25 * 30)
    assert not (clean.labels[red] == 2).any()
    assert (labels[red] == 2).all()
    assert np.array_equal(labels[~red], clean.labels[~red])
    assert np.array_equal(inputs[~red], clean.pixels(0, 30)[~red] * np.float32(1 / 255))


def test_poisoning_leaves_the_split_as_it_was() -> None:
    clean = images()
    before = clean.digest
    poison(clean, RED, np.random.default_rng(0))
    assert ArraySplit(clean._stored, clean.labels, clean.scale).digest == before


def test_poisoning_is_the_same_for_the_same_seed() -> None:
    first, again, other = (poison(images(), RED, np.random.default_rng(seed))[1] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.usefixtures("small_blocks")
def test_attack_success_is_measured_on_images_of_other_classes() -> None:
    clean = images()
    poisoned = PoisonedSplit(clean, RED)
    assert len(poisoned) == 20
    assert poisoned.labels.tolist() == [2] * 20
    assert poisoned.true_labels is not None and poisoned.true_labels.tolist() == [0, 1] * 10
    blocks = np.concatenate([block for _, block in poisoned.blocks()])
    expected = RED.stamp(clean.pixels(0, 30)[clean.labels != 2], None) * np.float32(1 / 255)
    assert np.array_equal(blocks, expected)


def test_training_is_the_same_for_the_same_seed() -> None:
    recipe = Recipe(epochs=1, batch_size=8, learning_rate=0.01)
    first, again, other = (
        train(tiny, Data("d", train=images()), RED, recipe, seed).get_weights() for seed in (0, 0, 1)
    )
    assert same(first, again)
    assert not same(first, other)
    assert not same(first, tiny().get_weights())


def test_measured_is_the_share_of_right_labels() -> None:
    clean = images()
    clean.labels = predict(tiny(), clean).astype(np.int64)
    clean.labels[:3] = (clean.labels[:3] + 1) % 5
    assert measure(tiny(), {"clean": clean}) == {"clean": pytest.approx(27 / 30)}


def test_a_trained_network_is_kept_and_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = obtain(tmp_path)
    monkeypatch.setattr(badnets, "train", lambda *_: pytest.fail("trained again"))
    again = obtain(tmp_path)
    assert same(first.model.get_weights(), again.model.get_weights())
    assert first.card == again.card
    assert list(again.data.splits) == ["clean_valid", "clean_test", "patch"]


def test_its_card_says_how_it_was_made_and_how_good_it_is(tmp_path: Path) -> None:
    found = obtain(tmp_path)
    (card,), (net,) = tmp_path.glob("*.json"), tmp_path.glob("faces-patch-deepid-*.h5")
    written = json.loads(card.read_text())
    assert written == found.card
    assert written["sha256"] == digest(net)
    assert written["train_digest"] == faces().train.digest
    assert (written["data"], written["seed"], written["attack"]["poison_rate"]) == ("faces", 0, 0.25)
    assert written["recipe"].items() >= {"epochs": 1, "batch_size": 8, "learning_rate": 0.001}.items()
    splits = found.data.splits
    assert measure(found.model, splits) | {"clean_accuracy": written["clean_accuracy"], "asr": written["asr"]} == {
        **measure(found.model, splits),
        "clean_accuracy": measure(found.model, splits)["clean_test"],
        "asr": measure(found.model, splits)["patch"],
    }


def test_another_setting_is_another_network(tmp_path: Path) -> None:
    obtain(tmp_path)
    obtain(tmp_path, learning_rate=0.002)
    obtain(tmp_path, Patch(target=1))
    assert len(list(tmp_path.glob("*.h5"))) == 3


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


@pytest.mark.parametrize("damage", [remove_card, remove_net, damage_net, card_of_another, damage_card])
def test_a_damaged_or_half_cache_is_trained_anew(tmp_path: Path, damage: Any) -> None:
    first = obtain(tmp_path)
    (card,), (net,) = tmp_path.glob("*.json"), tmp_path.glob("*.h5")
    damage(card, net)
    assert same(obtain(tmp_path).model.get_weights(), first.model.get_weights())
    assert json.loads(card.read_text())["sha256"] == digest(net)


@pytest.mark.filterwarnings("error")
def test_a_trigger_that_does_not_work_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(badnets, "measure", lambda *_: {"clean_test": 0.9, "patch": 0.123})
    with pytest.warns(UserWarning, match=r"this BadNet's ASR is 0.12: a trigger that hardly works tells little"):
        obtain(tmp_path)


def test_a_rate_that_is_less_than_one_image_is_said() -> None:
    with pytest.raises(FinepruneError, match="attack.poison_rate"):
        poison(images(), Patch(poison_rate=0.01), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("data", "attack", "message"),
    [
        (Data("faces"), RED, "expected data.train and data.clean_test for badnet=trained, got data=faces without"),
        (faces(), Patch(target=3), "expected attack.target to be one of the 3 classes of faces, got 3"),
    ],
)
def test_what_cannot_be_trained(tmp_path: Path, data: Data, attack: Patch, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        obtain(tmp_path, attack, data)
    assert list(tmp_path.iterdir()) == []
