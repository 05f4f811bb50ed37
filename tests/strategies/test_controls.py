"""The control that ranks at random, and the oracle that sees the trigger."""

import numpy as np
import pytest
import tf_keras as keras
from samples import pictures, split
from steps import kept
from tf_keras import layers

from fineprune.attacks import Patch
from fineprune.attacks.poisoning import PoisonedSplit
from fineprune.errors import ConfigError
from fineprune.network.network import Network
from fineprune.strategies.controls.random_channels import RandomChannels
from fineprune.strategies.oracles.tac import TriggerActivatedChange


def copying() -> Network:
    """Its channels are red, green and blue, as they are."""
    image = layers.Input((8, 8, 3), name="image")
    x = layers.Conv2D(3, 1, use_bias=False, activation="relu", name="colours")(image)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, layers.Dense(2, activation="softmax", name="output")(x))
    model.get_layer("colours").set_weights([np.eye(3)[None, None]])
    return Network(model)


def test_random_channels_are_those_of_the_seed_and_all_are_pruned_in_the_end() -> None:
    orders = []
    for seed in (0, 0, 1, 2, 3):
        steps = list(RandomChannels(seed=seed).steps(copying(), split(pictures(4, (8, 8, 3)), 2)))
        orders.append([kept(step)["colours"].tolist() for step in steps])
        assert orders[-1][-1] == [0, 0, 0]
    assert orders[0] == orders[1]
    assert any(order != orders[0] for order in orders[2:])


def test_random_layers_are_those_that_are_named() -> None:
    assert list(RandomChannels(layers=["colours"]).scores(copying(), split(pictures(4, (8, 8, 3)), 2))) == ["colours"]


def test_what_the_trigger_changes_most_is_pruned_first() -> None:
    images = split(pictures(6, (8, 8, 3)), 2)
    poisoned = PoisonedSplit(images, Patch(target=0, size=3, pattern="plain", colour=(0, 255, 0)), 2)
    scores = TriggerActivatedChange().scores(copying(), images, poisoned={"patch": poisoned})["colours"]
    change = (poisoned.pixels(0, 3) - poisoned.originals.pixels(0, 3)) / 255
    expected = np.sqrt((change**2).sum(axis=(1, 2))).mean(axis=0)
    assert -scores == pytest.approx(expected, rel=1e-5)
    first = next(iter(TriggerActivatedChange().steps(copying(), images, poisoned={"patch": poisoned})))
    assert np.argmin(kept(first)["colours"]) == np.argmax(expected)


def test_an_oracle_says_that_it_is_one_and_no_other_strategy_does() -> None:
    assert TriggerActivatedChange().oracle
    assert not RandomChannels().oracle


def test_files_without_their_originals_do_not_tell_what_the_trigger_changes() -> None:
    images = split(pictures(6, (8, 8, 3)), 2)
    with pytest.raises(ConfigError, match=r"^expected poisoned images with their originals, got files without, a"):
        TriggerActivatedChange().scores(copying(), images, poisoned={"a": images})
