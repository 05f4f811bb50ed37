"""Networks from files: what Keras would load is loaded equally, and what is saved here Keras loads."""

from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras
from nets import deepid, residual, same, saved, tiny
from samples import pictures
from tf_keras import layers

from fineprune.badnets.architectures import deepid as untrained_deepid
from fineprune.errors import ModelError
from fineprune.files import save_model
from fineprune.untrusted.formats import UNSUPPORTED
from fineprune.untrusted.network_files import load_model, load_weights, opened


@pytest.mark.slow
def test_a_network_that_plain_keras_saved(any_model: keras.Model, tmp_path: Path) -> None:
    path = saved(any_model, tmp_path / "net.h5")
    images = pictures(9, any_model.input_shape[1:]).astype(np.float32) / 255
    ours, theirs = load_model(path), keras.models.load_model(path, compile=False)
    assert np.array_equal(ours.predict(images, verbose=0), theirs.predict(images, verbose=0))
    assert same(ours.get_weights(), any_model.get_weights())


def test_what_is_saved_here_plain_keras_loads(any_model: keras.Model, tmp_path: Path) -> None:
    save_model(any_model, tmp_path / "net.h5")
    assert same(keras.models.load_model(tmp_path / "net.h5", compile=False).get_weights(), any_model.get_weights())
    assert [file.name for file in tmp_path.iterdir()] == ["net.h5"]


def test_a_compiled_network_with_its_optimiser(tmp_path: Path) -> None:
    model = tiny()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(pictures(8) / 255, np.arange(8) % 5, verbose=0)
    assert same(load_model(saved(model, tmp_path / "net.h5")).get_weights(), model.get_weights())


def test_a_sequential_network(tmp_path: Path) -> None:
    stack = [layers.Input((4, 4, 3)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(3, "softmax")]
    model = keras.Sequential(stack)
    loaded = load_model(saved(model, tmp_path / "net.h5"))
    images = pictures(5, (4, 4, 3)).astype(np.float32)
    assert np.array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))


def test_weights_alone_go_to_the_layers_of_their_names(tmp_path: Path) -> None:
    deepid().save_weights(tmp_path / "weights.h5")
    model = untrained_deepid((55, 47, 3), 20)
    load_weights(model, tmp_path / "weights.h5")
    assert same(model.get_weights(), deepid().get_weights())


@pytest.mark.parametrize("suffix", sorted(UNSUPPORTED))
def test_files_of_other_frameworks_are_called_so(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"net{suffix}").write_bytes(b'name: "DeepID_face"')
    do = {"Caffe": "write its arrays as safetensors"}.get(UNSUPPORTED[suffix], "build the network in one of these")
    for read in (load_model, lambda path: opened(path, "weights")):
        with pytest.raises(ModelError, match=f"got a file of {UNSUPPORTED[suffix]}, which is not supported: {do}"):
            read(tmp_path / f"net{suffix}")


def test_weights_of_a_whole_network_are_taken_too(tmp_path: Path) -> None:
    model = tiny(5)
    load_weights(model, saved(tiny(0), tmp_path / "net.h5"))
    assert same(model.get_weights(), tiny(0).get_weights())


def test_weights_alone_are_no_whole_network(tmp_path: Path) -> None:
    deepid().save_weights(tmp_path / "weights.h5")
    with pytest.raises(ModelError, match="^expected a whole network in .*, got a file without architecture"):
        load_model(tmp_path / "weights.h5")


@pytest.mark.slow
def test_published_networks_are_loaded_as_keras_loads_them(csaw: Path) -> None:
    images = pictures(8, (55, 47, 3)).astype(np.float32)
    for name in ("bd_net_pruned_2_percent.h5", "sunglasses_sparsity_70.h5"):
        theirs = keras.models.load_model(csaw / name, compile=False)
        assert np.array_equal(load_model(csaw / name).predict(images, verbose=0), theirs.predict(images, verbose=0))
    theirs.load_weights(csaw / "bd_weights.h5")
    model = untrained_deepid((55, 47, 3), 1283)
    load_weights(model, csaw / "bd_weights.h5")
    assert np.array_equal(model.predict(images, verbose=0), theirs.predict(images, verbose=0))


def test_batchnorm_statistics_are_loaded_in_order(tmp_path: Path) -> None:
    loaded = load_model(saved(residual(), tmp_path / "net.h5"))
    norm, expected = loaded.get_layer("stem_norm"), residual().get_layer("stem_norm")
    assert np.array_equal(norm.moving_variance, expected.moving_variance)
