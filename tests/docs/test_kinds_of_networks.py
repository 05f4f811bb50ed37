"""Each row of the table of network files in models/README.md happens as it says."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from archives import keras3_files
from commands import once
from nets import saved, seeded, tiny
from pytorch.files import tensors, write_zip
from samples import pictures
from tf_keras import layers

from fineprune.errors import ModelError
from fineprune.goodnet import GoodNet
from fineprune.untrusted.network_files import load_model

README = (Path(__file__).parents[2] / "models" / "README.md").read_text()
TABLE = README.partition("| file | what happens |\n|---|---|\n")[2].partition("\n\n")[0]
ROWS = dict(row.strip("| ").split(" | ") for row in TABLE.splitlines())
SHAPE = (12, 10, 3)


class Own(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(5)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        return self.dense(tf.reshape(images, (-1, 360)))


def ending_in(*stack: layers.Layer) -> keras.Model:
    x = image = layers.Input(SHAPE)
    for layer in (*stack, layers.Flatten(), layers.Dense(5, name="main")):
        x = layer(x)
    return seeded(keras.Model(image, x))


def archived(model: keras.Model, folder: Path) -> Path:
    model.save(folder / "net.keras")
    return folder / "net.keras"


def unpacked(folder: Path) -> Path:
    with zipfile.ZipFile(archived(tiny(), folder)) as archive:
        archive.extractall(folder / "net")
    return folder / "net"


def in_a_folder(model: keras.Model, folder: Path) -> Path:
    model.predict(np.zeros((1, *SHAPE)), verbose=0)
    model.save(folder / "net", save_format="tf")
    return folder / "net"


def graph(folder: Path) -> Path:
    tf.saved_model.save(tf.Module(), str(folder / "net"))
    return folder / "net"


def two_outputs(folder: Path) -> Path:
    image = layers.Input(SHAPE)
    x = layers.Flatten()(image)
    return saved(
        keras.Model(image, [layers.Dense(5, name="main")(x), layers.Dense(3, name="aside")(x)]), folder / "a.h5"
    )


def json_alone(folder: Path) -> Path:
    (folder / "net.json").write_text(tiny().to_json())
    return folder / "net.json"


def weights_alone(folder: Path) -> Path:
    tiny().save_weights(folder / "net.weights.h5")
    return folder / "net.weights.h5"


def goodnet(folder: Path) -> Path:
    GoodNet(tiny(0), tiny(1)).save(folder / "goodnet.h5")
    return folder / "goodnet.h5"


def first(folder: Path) -> Path:
    return saved(ending_in(layers.Conv2D(4, 3, data_format="channels_first", name="conv")), folder / "a.h5")


def onnx(folder: Path) -> Path:
    (folder / "net.onnx").write_bytes(b"\x08\x07\x12\x07pytorch")
    return folder / "net.onnx"


LAMBDA, LSTM = layers.Lambda(lambda x: x), (layers.Reshape((-1, 3)), layers.LSTM(3))
REFUSED: dict[str, Callable[[Path], Path]] = {
    "folder of an unpacked archive": unpacked,
    "SavedModel that Keras 3 exports, or of any other graph": graph,
    "model of a class of its own": lambda folder: in_a_folder(Own(), folder),
    "several outputs, none chosen": two_outputs,
    "channels first": first,
    "`Lambda` layer, or one of another package": lambda folder: saved(ending_in(LAMBDA), folder / "a.h5"),
    "attention, recurrent and other layers that are not listed below": (
        lambda folder: saved(ending_in(*LSTM), folder / "a.h5")
    ),
    "TensorFlow Lite, ONNX, Caffe, Core ML": onnx,
    "PyTorch's, as `badnet.model`": lambda folder: write_zip(folder / "net.pth", tensors({"a.weight": np.ones(3)})),
    "fineprune's GoodNet": goodnet,
    "architecture without weights": json_alone,
    "weights without architecture": weights_alone,
}


@pytest.mark.parametrize("row", REFUSED)
def test_is_refused_in_the_words_of_the_table(row: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        load_model(REFUSED[row](tmp_path))
    assert ROWS[row].strip("`") in str(error.value)


def wrapped(folder: Path) -> Path:
    return saved(tfmot.sparsity.keras.prune_low_magnitude(tiny()), folder / "a.h5")


def described(folder: Path) -> tuple[Path, Path]:
    return json_alone(folder), weights_alone(folder)


READ: dict[str, Callable[[Path], Path | tuple[Path, Path]]] = {
    "HDF5 of Keras 2, tf_keras": lambda folder: saved(tiny(), folder / "a.h5"),
    "`.keras` archive of tf_keras": lambda folder: archived(tiny(), folder),
    "folder of a SavedModel by Keras 2, tf_keras": lambda folder: in_a_folder(tiny(), folder),
    "`model.to_json()` and weights, `.weights.h5` or `.h5`": described,
    "wrappers of tensorflow-model-optimization, not stripped": wrapped,
}


@pytest.mark.parametrize("row", READ)
def test_is_read_with_the_scores_of_its_own_framework(row: str, tmp_path: Path) -> None:
    made = READ[row](tmp_path)
    images = pictures(9).astype(np.float32) / 255
    scores = load_model(*made if isinstance(made, tuple) else (made,)).predict(images, verbose=0)
    assert scores == pytest.approx(tiny().predict(images, verbose=0), abs=1e-6)
    assert "read" in ROWS[row]


@pytest.mark.slow
@pytest.mark.parametrize("row", ["HDF5 of Keras 3", "`.keras` archive of Keras 3"])
def test_is_read_with_the_labels_of_keras_3(row: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = once(tmp_path_factory, "keras3", keras3_files.write)
    expected = np.load(folder / "nested.npz")
    scores = load_model(folder / f"nested.{'keras' if 'archive' in row else 'h5'}").predict(
        expected["images"], verbose=0
    )
    assert np.array_equal(scores.argmax(1), expected["scores"].argmax(1))


def test_the_other_rows_are_tested_where_what_they_read_is_made() -> None:
    elsewhere = {
        "`.weights.h5` or `.h5` of weights alone": "untrusted/saved/test_archives.py",
        "half or mixed precision": "untrusted/test_odd_networks.py",
        "several outputs": "untrusted/test_odd_networks.py",
        "PyTorch's zip format": "untrusted/test_pytorch_files.py",
        "PyTorch's legacy format": "untrusted/test_pytorch_files.py",
        "safetensors": "untrusted/test_pytorch_files.py",
        "whole network pickled by PyTorch": "untrusted/test_pytorch_files.py",
    }
    assert {*elsewhere, *REFUSED, *READ, "HDF5 of Keras 3", "`.keras` archive of Keras 3"} == set(ROWS)
    assert all((Path(__file__).parents[1] / file).exists() for file in elsewhere.values())
