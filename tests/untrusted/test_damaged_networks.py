"""Files of networks that are damaged, or do not fit together, are refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tf_keras as keras
from nets import saved, tiny
from tf_keras import layers

from fineprune.errors import ModelError
from fineprune.untrusted.network_files import load_model

Spoil = Callable[[h5py.File], None]


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
