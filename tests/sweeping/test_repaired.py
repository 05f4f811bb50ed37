"""A repaired network of N + 1 classes, as fineprune saves it or as anybody does: its labels and its rates."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import tf_keras as keras
from nets import linear, saved, tiny
from samples import pictures, split

from fineprune.badnets.source import BadNet
from fineprune.data.split import Data
from fineprune.errors import ModelError
from fineprune.files import save_model
from fineprune.goodnet import GoodNet
from fineprune.network.network import Network
from fineprune.sweeping import repaired, single_net
from fineprune.sweeping.repaired import Repaired


@pytest.fixture
def goodnet(tmp_path: Path) -> Path:
    GoodNet(tiny(0), tiny(1)).save(tmp_path / "goodnet.h5")
    return tmp_path / "goodnet.h5"


def data() -> Data:
    return Data("some", clean_test=split(pictures(60), 5), poisoned={"hat": split(pictures(40, seed=1), 3)})


@pytest.mark.slow
def test_a_goodnet_that_was_saved_is_read_as_its_two_networks(goodnet: Path) -> None:
    ours, images = GoodNet.load(goodnet), pictures(40).astype(np.float32) / 255
    theirs = GoodNet(tiny(0), tiny(1))
    assert np.array_equal(ours.predict(images), theirs.predict(images))
    assert {5} < set(ours.predict(images))
    plain = keras.models.load_model(goodnet, compile=False).predict(images, verbose=0).argmax(axis=1)
    assert np.array_equal(Repaired.read(str(goodnet)).labels(split(pictures(40), 5)), plain)


def test_its_rates_are_those_of_the_goodnet_of_both_nets(goodnet: Path) -> None:
    measured = repaired.rates(Repaired.read(str(goodnet)), data())
    both = single_net.rates(BadNet(Network(tiny(0)), data()), tiny(1))["goodnet"]
    both["hat"].pop("der")  # which takes the BadNet
    assert measured == {"goodnet": both}


def test_anybody_s_network_of_one_more_class_by_hand(tmp_path: Path) -> None:
    # The second of three images is called 2, which is "backdoored"; labels 0, 1, 0 make a third of them right.
    net = saved(linear([[9, 0, 0], [0, 0, 9], [0, 9, 0]]), tmp_path / "net.h5")
    images = split(255 * np.eye(3, dtype=np.uint8).reshape(3, 1, 1, 3), 2)
    found = Repaired.read(str(net))
    assert (found.backdoored, found.labels(images).tolist()) == (2, [0, 2, 1])
    measured = repaired.rates(found, Data("some", clean_test=images, poisoned={"hat": images}))
    third = pytest.approx(1 / 3)
    assert measured["goodnet"] == {
        "clean_test": {"accuracy": third, "false_positive_rate": third},
        "hat": {"asr": third, "detection_rate": third},
    }


def test_a_network_without_the_class_backdoored_is_not_measured_as_one_with_it(tmp_path: Path) -> None:
    net = saved(tiny(), tmp_path / "net.h5")
    with pytest.raises(ModelError) as error:
        repaired.rates(Repaired.read(str(net)), data())
    assert str(error.value) == (
        "expected labels of clean_test from 0 to 3, since class 4 of the repaired network is 'backdoored', got 4: give "
        "a pruned net of N classes as pruned, beside its BadNet"
    )


def test_which_class_is_taken_for_backdoored_is_said_of_a_single_network_alone(goodnet: Path, tmp_path: Path) -> None:
    one = Repaired.read(str(saved(tiny(), tmp_path / "net.h5")))
    assert one.assumed == "assumed: class 4, the network's last, is 'backdoored'"
    assert Repaired.read(str(goodnet)).assumed == ""


def test_one_network_is_no_goodnet(tmp_path: Path) -> None:
    net = saved(tiny(), tmp_path / "net.h5")
    with pytest.raises(ModelError, match="expected a GoodNet that fineprune saved in .*, got one network: give pruned"):
        GoodNet.load(net)


def test_images_of_another_size_are_told_what_brings_them_to_it(goodnet: Path) -> None:
    with pytest.raises(ModelError) as error:
        Repaired.read(str(goodnet)).check_shape(split(pictures(5, (9, 9, 3)), 5), "data")
    assert str(error.value) == (
        "expected images of data to be (12, 10, 3) as the network's, got (9, 9, 3): bring them to its size by "
        "'data.resize=[12,10]', or take the network that they are for"
    )


@pytest.mark.parametrize("place", [1, 2])
def test_a_goodnet_is_vetted_as_any_network(goodnet: Path, place: int) -> None:
    with h5py.File(goodnet, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][place]["config"]["layers"][1]["class_name"] = "Lambda"
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(ModelError, match="expected only Keras's own layers that carry no code .* got 'Lambda'"):
        Repaired.read(str(goodnet))


@pytest.mark.parametrize("net", ["badnet", "pruned"])
@pytest.mark.slow
def test_what_stands_in_a_goodnet_has_to_be_networks(goodnet: Path, net: str, tmp_path: Path) -> None:
    image = keras.Input((12, 10, 3), name="images")
    parts = [_part(name, name != net)(image) for name in ("badnet", "pruned")]
    flat = [part if len(part.shape) == 2 else keras.layers.Flatten()(part) for part in parts]
    both = keras.layers.Concatenate(name="both")(flat)
    save_model(keras.Model(image, both, name="goodnet"), tmp_path / "odd.h5")
    found = Repaired.read(str(tmp_path / "odd.h5"))
    assert len(found.nets) == 1  # anybody's network, of as many classes as it has


def _part(name: str, whole: bool) -> keras.layers.Layer:
    if whole:
        net = tiny()
        return keras.Model(net.inputs, net.outputs, name=name)
    return keras.layers.Conv2D(2, 3, name=name)
