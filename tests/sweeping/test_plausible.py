"""Sweeps that mean nothing are doubted: another scale of pixels, a network that guesses, labels that are no targets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import tf_keras as keras

from fineprune.badnets.source import BadNet
from fineprune.data.from_files import aimed
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, Data, Split
from fineprune.errors import DataError
from fineprune.network.network import Network
from fineprune.sweeping.plausible import doubts

SETTING = "data.pixel_scale=1/255"
RESCALED = "data.pixel_scale=1/127.5 'data.mean=[1]' data.std=null"


def brighter(threshold: float) -> keras.Model:
    """Tells images of one pixel apart: class 1 where it is above `threshold`, else class 0."""
    image = keras.Input((1, 1, 1))
    dense = keras.layers.Dense(2, name="output")
    model = keras.Model(image, dense(keras.layers.Flatten()(image)))
    dense.set_weights([np.array([[0.0, 1.0]]), np.array([threshold, 0.0])])
    return model


def images(labels: Sequence[int], scale: float = 1.0) -> ArraySplit:
    """Black where the label is 0, else bright."""
    classes = np.array(labels)
    return ArraySplit(np.where(classes, 200, 0).astype(np.uint8).reshape(-1, 1, 1, 1), classes, Scaling(scale))


def doubted(threshold: float, clean: Split, poisoned: Mapping[str, Split] | None = None, **card: Any) -> list[str]:
    model = brighter(threshold)
    return doubts(BadNet(Network(model), Data("d", clean, poisoned=poisoned or {}), card=card))


@pytest.mark.parametrize(
    ("threshold", "scale", "better"),
    [
        (100.0, 1.0, None),
        (100.0, 1 / 255, "data.pixel_scale=1"),
        (0.5, 1 / 255, None),
        (-0.5, 1 / 255, RESCALED),
        (0.99, 1.0, None),  # right either way
    ],
)
def test_a_scale_that_suits_the_network_far_better_is_named(threshold: float, scale: float, better: str | None) -> None:
    text = "the BadNet is right on 50% of 256 images of clean_valid, and would be on 100% with"
    assert doubted(threshold, images([0, 1] * 128, scale)) == ([f"{text} {better}: set that"] if better else [])


def test_a_network_that_guesses_is_doubted() -> None:
    never = 1e6
    text = "the BadNet is right on 50% of 200 images of clean_valid, about as many as by guessing, so that no result"
    assert doubted(never, images([0, 1] * 100)) == [
        f"{text} means anything: are images, classes and data.pixel_scale the network's?"
    ]
    assert doubted(never, images([0, 1] * 100), epochs=[]) == [f"{text} means anything: raise badnet.epochs"]


def test_a_few_images_say_nothing() -> None:
    assert doubted(1e6, images([0, 1] * 49)) == []


def test_labels_of_several_classes_are_doubted_as_targets_and_the_target_is_named() -> None:
    stamped = images([1] * 120)
    stamped.labels = np.arange(120) % 2
    text = "the labels of data.poisoned.patch are 2 classes rather than one target; the BadNet says 1 for 100% of its"
    advice = "if they are the true classes, ASR is only accuracy; set data.target=1, the attacker's class"
    assert doubted(100.0, images([0, 1] * 60), {"patch": stamped}) == [f"{text} images: {advice}"]


def test_of_a_backdoor_that_does_not_work_no_target_is_guessed() -> None:
    (doubt,) = doubted(100.0, images([0, 1] * 60), {"patch": images([0, 1] * 60)})
    assert doubt.endswith(
        "one target: if they are the true classes, ASR is only accuracy; set data.target=CLASS, the attacker's class"
    )


def test_one_target_and_true_classes_that_are_known_are_not_doubted() -> None:
    planted = images([0, 1] * 60)
    planted.true_labels = planted.labels
    assert doubted(100.0, images([0, 1] * 60), {"one": images([1] * 120), "planted": planted}) == []


def test_true_classes_become_targets_of_the_images_of_other_classes() -> None:
    split = aimed(images([0, 1, 0, 1, 1]), 1, "data.poisoned.patch")
    assert split.labels.tolist() == [1, 1]
    assert split.true_labels is not None and split.true_labels.tolist() == [0, 0]
    assert split.pixels(0, 2).max() == 0
    assert split.digest != images([0, 0]).digest
    with pytest.raises(
        DataError, match=r"^expected images of other classes than data.target=1 in data.poisoned.patch,"
    ):
        aimed(images([1, 1]), 1, "data.poisoned.patch")


@pytest.mark.parametrize(
    ("count", "falls", "said"),
    [
        (10, [0.02, 0.1], "where one is 10 points of accuracy: take more, or larger budgets"),
        (12, [0.02, 0.1], ""),
        (12, [0.02, 0.04], "budgets are judged by 12 images of clean_valid, where one is 8 points"),
        (10, [], ""),
    ],
)
def test_budgets_that_a_single_image_uses_up_are_doubted(count: int, falls: list[float], said: str) -> None:
    found = doubts(BadNet(Network(brighter(100)), Data("d", images([0, 1] * (count // 2)))), falls)
    assert len(found) == bool(said) and said in "".join(found)


def test_validation_images_that_are_the_test_images_are_doubted() -> None:
    clean, other = images([0, 1] * 60), images([1, 0] * 60)
    text = "clean_valid and clean_test are the same images, so that clean accuracy is too good: take others"
    for test, expected in ((images([0, 1] * 60), [text]), (other, [])):
        assert doubts(BadNet(Network(brighter(100)), Data("d", clean, test))) == expected
