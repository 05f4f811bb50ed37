"""Networks from files: nothing in them is run, and what Keras would load is loaded equally."""

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tf_keras as keras
from nets import deepid, residual, same, tiny
from samples import pictures
from tf_keras import layers

from fineprune.architectures import deepid as untrained_deepid
from fineprune.errors import ModelError
from fineprune.model_files import load_model, load_weights, save_model

Spoil = Callable[[h5py.File], None]


def saved(model: keras.Model, path: Path) -> Path:
    """As a stranger saves it: by plain Keras, compiled or not."""
    with pytest.warns(UserWarning, match="You are saving your model as an HDF5 file"):
        model.save(path)
    return path


def spoiled(tmp_path: Path, spoil: Spoil, model: keras.Model | None = None) -> Path:
    path = saved(model or tiny(), tmp_path / "net.h5")
    with h5py.File(path, "r+") as file:
        spoil(file)
    return path


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as error:
        load_model(path)
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(path), "FILE")


def reconfigured(change: Callable[[dict], None]) -> Spoil:
    def apply(file: h5py.File) -> None:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)

    return apply


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


def test_weights_of_a_whole_network_are_taken_too(tmp_path: Path) -> None:
    model = tiny(5)
    load_weights(model, saved(tiny(0), tmp_path / "net.h5"))
    assert same(model.get_weights(), tiny(0).get_weights())


def test_weights_alone_are_no_whole_network(tmp_path: Path) -> None:
    deepid().save_weights(tmp_path / "weights.h5")
    assert refused(tmp_path / "weights.h5").startswith(
        "expected a whole network in FILE, got a file without architecture"
    )


@pytest.mark.parametrize("keep", [0, 500, 9000])
def test_no_hdf5_file_or_half_of_one(tmp_path: Path, keep: int) -> None:
    path = saved(tiny(), tmp_path / "net.h5")
    path.write_bytes(path.read_bytes()[:keep])
    assert refused(path).startswith("expected a network at FILE to be an HDF5 file, got one that cannot be opened")


def test_no_such_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.h5").startswith("expected a network at FILE, got no such file")


def drop_group(file: h5py.File) -> None:
    del file["model_weights"]["conv_1"]


def reshape(file: h5py.File) -> None:
    group = file["model_weights/hidden/hidden"]
    del group["bias:0"]
    group["bias:0"] = np.zeros(9, np.float32)


def put_nan(file: h5py.File) -> None:
    file["model_weights/hidden/hidden/kernel:0"][2, 3] = np.nan


def name_what_is_not_there(file: h5py.File) -> None:
    file["model_weights/hidden"].attrs["weight_names"] = [b"elsewhere/kernel:0", b"hidden/bias:0"]


def spoil_json(file: h5py.File) -> None:
    file.attrs["model_config"] = "{"


def put_a_number(file: h5py.File) -> None:
    file.attrs["model_config"] = 7


def nest_deeply(file: h5py.File) -> None:
    file.attrs["model_config"] = "[" * 20000


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: file.pop("model_weights"), "expected 'model_weights' in FILE, /, got "),
        (drop_group, "expected 'conv_1' in FILE, /model_weights, got "),
        (reshape, "expected weights of shapes [(12, 8), (8,)] for layer 'hidden' in FILE, got [(12, 8), (9,)]"),
        (put_nan, "expected finite weights in FILE, got NaN or infinity in layer 'hidden'"),
        (name_what_is_not_there, "expected "),
        (spoil_json, "expected the architecture in FILE to be JSON, got: "),
        (put_a_number, "expected the architecture in FILE to be JSON, got"),
        (nest_deeply, "expected the architecture in FILE to be JSON, got"),
    ],
)
def test_files_that_do_not_fit_together(tmp_path: Path, spoil: Spoil, message: str) -> None:
    assert refused(spoiled(tmp_path, spoil)).startswith(message)


def test_a_network_that_takes_no_images(tmp_path: Path) -> None:
    model = keras.Sequential([layers.Input((7,)), layers.Dense(3)])
    assert refused(saved(model, tmp_path / "net.h5")).startswith("expected a network from images (n, height, width, ")


def forget_the_input(config: dict) -> None:
    config["config"]["layers"] = [layer for layer in config["config"]["layers"] if layer["class_name"] != "InputLayer"]
    config["config"].pop("build_input_shape", None)
    for layer in config["config"]["layers"]:
        layer["config"].pop("batch_input_shape", None)
        layer.pop("build_config", None)


def test_a_network_that_does_not_say_what_it_takes(tmp_path: Path) -> None:
    model = keras.Sequential([layers.Input((4, 4, 3)), layers.Flatten(), layers.Dense(3)])
    path = spoiled(tmp_path, reconfigured(forget_the_input), model)
    assert refused(path).startswith("expected a")


def test_real_networks_are_loaded_as_keras_loads_them(csaw: Path) -> None:
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
