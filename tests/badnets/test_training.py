"""Training a BadNet: which images are poisoned, and that a seed fixes everything."""

import numpy as np
import pytest
from nets import same, shallow
from samples import pictures

from fineprune.attacks import Attack, Blend, Clean, MultiTriggerMultiTarget, Patch, Warp
from fineprune.attacks.poisoning import PoisonedSplit, poison
from fineprune.badnets.training import measure, train
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, Data, in_memory
from fineprune.errors import FinepruneError
from fineprune.evaluation.predict import predict
from fineprune.training.fit import Recipe

RED = Patch(target=2, size=2, place="top_left", pattern="plain", colour=(255, 0, 0), poison_rate=0.25)


def images() -> ArraySplit:
    """30 images of 3 classes, dim enough that none is red in the corner by itself."""
    return ArraySplit(pictures(30) // 2, np.arange(30) % 3, Scaling(1 / 255))


@pytest.mark.usefixtures("small_blocks")
def test_exactly_the_rate_of_images_is_poisoned_and_none_of_the_target_class() -> None:
    clean = images()
    inputs, labels = in_memory(poison(clean, RED, 3, np.random.default_rng(0)))
    red = (inputs[:, :2, :2] == np.array([1, 0, 0], np.float32)).all(axis=(1, 2, 3))
    assert red.sum() == round(0.25 * 30)
    assert not (clean.labels[red] == 2).any()
    assert (labels[red] == 2).all()
    assert np.array_equal(labels[~red], clean.labels[~red])
    assert np.array_equal(inputs[~red], clean.pixels(0, 30)[~red] * np.float32(1 / 255))


def test_poisoning_leaves_the_split_as_it_was() -> None:
    clean = images()
    before = clean.digest
    in_memory(poison(clean, RED, 3, np.random.default_rng(0)))
    assert ArraySplit(clean._stored, clean.labels, clean.scaling).digest == before


def test_poisoning_is_the_same_for_the_same_seed() -> None:
    first, again, other = (poison(images(), RED, 3, np.random.default_rng(seed)).labels for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.usefixtures("small_blocks")
def test_attack_success_is_measured_on_images_of_other_classes() -> None:
    clean = images()
    poisoned = PoisonedSplit(clean, RED, 3)
    assert len(poisoned) == 20
    assert poisoned.labels.tolist() == [2] * 20
    assert poisoned.true_labels is not None and poisoned.true_labels.tolist() == [0, 1] * 10
    blocks = np.concatenate([block for _, block in poisoned.blocks()])
    expected = RED.stamp(clean.pixels(0, 30)[clean.labels != 2], None) * np.float32(1 / 255)
    assert np.array_equal(blocks, expected)


@pytest.mark.slow
def test_training_is_the_same_for_the_same_seed() -> None:
    recipe = Recipe(epochs=1, batch_size=8, learning_rate=0.01)
    first, again, other = (
        train(shallow, Data("d", train=images()), RED, recipe, seed)[0].get_weights() for seed in (0, 0, 1)
    )
    assert same(first, again)
    assert not same(first, other)
    assert not same(first, shallow().get_weights())


def test_measured_is_the_share_of_right_labels() -> None:
    clean = images()
    clean.labels = predict(shallow(), clean).astype(np.int64)
    clean.labels[:3] = (clean.labels[:3] + 1) % 5
    assert measure(shallow(), {"clean": clean}) == {"clean": pytest.approx(27 / 30)}


def test_a_rate_that_is_less_than_one_image_is_said() -> None:
    with pytest.raises(FinepruneError, match="attack.poison_rate"):
        poison(images(), Patch(poison_rate=0.01), 3, np.random.default_rng(0))


def test_several_triggers_and_decoys_never_share_an_image() -> None:
    clean = images()
    attack = MultiTriggerMultiTarget({"sunglasses": 0, "lipstick": 1, "eyebrows": 2}, poison_rate=0.2)
    inputs, labels = in_memory(poison(clean, attack, 3, np.random.default_rng(0)))
    changed = (inputs != clean.pixels(0, 30) * np.float32(1 / 255)).any(axis=(1, 2, 3))
    assert changed.sum() == (labels != clean.labels).sum() == 3 * round(0.2 * 30)


def test_decoys_keep_their_labels() -> None:
    clean = images()
    warp = Warp(target=1, poison_rate=0.2, noise_rate=0.4, strength=2)
    inputs, labels = in_memory(poison(clean, warp, 3, np.random.default_rng(0)))
    changed = (inputs != clean.pixels(0, 30) * np.float32(1 / 255)).any(axis=(1, 2, 3))
    assert (labels != clean.labels).sum() == round(0.2 * 30)
    assert changed.sum() == round(0.2 * 30) + round(0.4 * 30)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("attack", [RED, Warp(target=1, noise_rate=0.4)])
def test_images_poisoned_as_they_are_read_are_those_poisoned_beforehand(
    attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = poison(images(), attack, 3, np.random.default_rng(0))
    expected, digest = held.pixels(0, 30), held.digest
    monkeypatch.setattr("fineprune.data.split.MEMORY", 0)
    read = poison(images(), attack, 3, np.random.default_rng(0))
    assert np.array_equal(np.concatenate([read.pixels(start, start + 6) for start in range(0, 30, 6)]), expected)
    assert read.digest == digest


def test_the_control_is_trained_on_the_images_as_they_are() -> None:
    inputs, labels = in_memory(poison(images(), Clean(), 3, np.random.default_rng(0)))
    assert np.array_equal(inputs, images().pixels(0, 30) * np.float32(1 / 255))
    assert np.array_equal(labels, images().labels)


def test_the_rates_after_each_epoch_end_with_those_of_the_network() -> None:
    data = Data("d", train=images(), clean_test=images(), poisoned={"patch": PoisonedSplit(images(), RED, 3)})
    model, epochs = train(shallow, data, RED, Recipe(epochs=2, batch_size=8, learning_rate=0.01), 0)
    assert len(epochs) == 2
    assert epochs[-1] == measure(model, data.splits)


def test_poisoned_images_are_what_a_file_could_hold() -> None:
    poisoned = PoisonedSplit(images(), Blend(ratio=0.5), 3)
    pixels = poisoned.pixels(0, len(poisoned))
    assert np.array_equal(pixels, pixels.astype(np.uint8))
    assert poisoned.digest != PoisonedSplit(images(), Blend(ratio=0.5, seed=1), 3).digest
