"""Each row of the table of network files in models/README.md happens as it says."""

import argparse
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
from nets import OfItsOwn, in_a_folder, saved, seeded, tiny
from pytorch.files import tensors, write_legacy, write_zip
from pytorch.nets import FORWARD, Net
from safetensors.numpy import save_file
from samples import pictures
from tf_keras import layers

from fineprune.badnets.source import read_network
from fineprune.errors import ModelError
from fineprune.goodnet import GoodNet
from fineprune.untrusted.network_files import load_model, load_weights, opened

pytestmark = pytest.mark.slow

README = (Path(__file__).parents[2] / "models" / "README.md").read_text()
TABLE = README.partition("| file | what happens |\n|---|---|\n")[2].partition("\n\n")[0]
ROWS = dict(row.strip("| ").split(" | ") for row in TABLE.splitlines())
SHAPE = (12, 10, 3)
IMAGES = pictures(9).astype(np.float32) / 255


def ending_in(*stack: layers.Layer, units: int = 5, activation: str | None = None) -> keras.Model:
    x = image = layers.Input(SHAPE)
    for layer in (*stack, layers.Flatten(), layers.Dense(units, activation, name="main")):
        x = layer(x)
    return seeded(keras.Model(image, x))


def archived(model: keras.Model, folder: Path) -> Path:
    model.save(folder / "net.keras")
    return folder / "net.keras"


def unpacked(folder: Path) -> Path:
    with zipfile.ZipFile(archived(tiny(), folder)) as archive:
        archive.extractall(folder / "net")
    return folder / "net"


def graph(folder: Path) -> Path:
    tf.saved_model.save(tf.Module(), str(folder / "net"))
    return folder / "net"


def two_outputs(folder: Path) -> Path:
    net = tiny()
    aside = layers.Dense(3, name="aside")(net.get_layer("hidden").output)
    return saved(keras.Model(net.inputs, [net.output, aside]), folder / "a.h5")


def json_alone(folder: Path) -> Path:
    (folder / "net.json").write_text(tiny().to_json())
    return folder / "net.json"


def weights_alone(folder: Path) -> Path:
    tiny().save_weights(folder / "other.weights.h5")
    return folder / "other.weights.h5"


def goodnet(folder: Path) -> Path:
    GoodNet(tiny(0), tiny(1)).save(folder / "goodnet.h5")
    return folder / "goodnet.h5"


def held(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def turned(any_size: bool = False) -> keras.Model:
    image = layers.Input((None, None, 3) if any_size else SHAPE)
    net = keras.Model(image, layers.Dense(5)(layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3)(image))))
    if any_size:
        net.set_weights(turned().get_weights())
    return net if any_size else seeded(net)


def channels_first(behind: layers.Layer, folder: Path) -> Path:
    """`turned` with its channels first, and something between its convolution and its pooling."""
    image, first = layers.Input((3, 12, 10)), {"data_format": "channels_first"}
    x = layers.GlobalMaxPooling2D(**first)(behind(layers.Conv2D(4, 3, **first)(image)))
    x = layers.Dense(5)(x)
    first = keras.Model(image, x)
    if not behind.weights:
        first.set_weights(turned().get_weights())
    return saved(first, folder / "a.h5")


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
LAMBDA, LSTM = layers.Lambda(lambda x: x), (layers.Reshape((-1, 3)), layers.LSTM(3))
REFUSED: dict[str, Callable[[Path], Path]] = {
    "folder of an unpacked archive": unpacked,
    "SavedModel that Keras 3 exports, or of any other graph": graph,
    "model of a class of its own": lambda folder: in_a_folder(OfItsOwn(), folder / "net"),
    "several outputs, none chosen": two_outputs,
    "one sigmoid for two classes": (lambda folder: saved(ending_in(units=1, activation="sigmoid"), folder / "a.h5")),
    "channels first, of layers that cannot be turned": (
        lambda folder: channels_first(layers.PReLU(name="prelu"), folder)
    ),
    "`Lambda` layer, or one of another package": lambda folder: saved(ending_in(LAMBDA), folder / "a.h5"),
    "attention, recurrent and other layers that are not listed below": (
        lambda folder: saved(ending_in(*LSTM), folder / "a.h5")
    ),
    "TensorFlow Lite, ONNX, Caffe, Core ML": lambda folder: held(folder, "net.onnx", b"\x08\x07\x12\x07pytorch"),
    "pointer of Git LFS": lambda folder: held(folder, "net.h5", LFS),
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


def test_a_network_that_pytorch_pickled_whole_is_refused_in_the_words_of_the_table(tmp_path: Path) -> None:
    row = "whole network pickled by PyTorch"
    with pytest.raises(ModelError) as error:
        opened(write_zip(tmp_path / "net.pth", argparse.Namespace(net=3)), "weights")
    assert ROWS[row].strip("`").replace("__main__.Net", "argparse.Namespace") in str(error.value)


def in_half_precision() -> keras.Model:
    """In float16 where tf_keras computes in it; weights are exact in both."""
    layer = layers.Conv2D(4, 3, activation="relu", dtype="mixed_float16")
    return ending_in(layer, layers.Activation("linear", dtype="float32"))


def loaded_into_an_architecture(folder: Path) -> keras.Model:
    model = tiny(3)
    load_weights(model, weights_alone(folder))
    return model


def with_weights_beside_it(folder: Path) -> keras.Model:
    tiny().save_weights(folder / "net.weights.h5")
    return load_model(json_alone(folder))


def wrapped(folder: Path) -> Path:
    return saved(tfmot.sparsity.keras.prune_low_magnitude(tiny()), folder / "a.h5")


Read = Callable[[Path], keras.Model]
# By row: what is read, and what tf_keras has there.
READ: dict[str, tuple[Read, Callable[[], keras.Model]]] = {
    "HDF5 of Keras 2, tf_keras": (lambda folder: load_model(saved(tiny(), folder / "a.h5")), tiny),
    "`.keras` archive of tf_keras": (lambda folder: load_model(archived(tiny(), folder)), tiny),
    "folder of a SavedModel by Keras 2, tf_keras": (
        lambda folder: load_model(in_a_folder(tiny(), folder / "net")),
        tiny,
    ),
    "`model.to_json()` and weights, `.weights.h5` or `.h5`": (
        lambda folder: load_model(json_alone(folder), weights_alone(folder)),
        tiny,
    ),
    "the same, under one name in one folder": (with_weights_beside_it, tiny),
    "`.weights.h5` or `.h5` of weights alone": (loaded_into_an_architecture, tiny),
    "wrappers of tensorflow-model-optimization, not stripped": (lambda folder: load_model(wrapped(folder)), tiny),
    "half or mixed precision": (
        lambda folder: load_model(saved(in_half_precision(), folder / "a.h5")),
        in_half_precision,
    ),
    "several outputs": (lambda folder: load_model(two_outputs(folder), output="output"), tiny),
    "images of any size": (
        lambda folder: load_model(saved(turned(any_size=True), folder / "a.h5"), shape=SHAPE),
        turned,
    ),
    "channels first": (lambda folder: load_model(channels_first(layers.Dropout(0.5), folder)), turned),
}


@pytest.mark.parametrize("row", READ)
def test_is_read_with_the_scores_of_its_own_framework(row: str, tmp_path: Path) -> None:
    read, own = READ[row]
    scores, expected = read(tmp_path).predict(IMAGES, verbose=0), own().predict(IMAGES, verbose=0)
    assert scores == pytest.approx(expected, abs=2e-2 if "half" in row else 1e-6)
    assert np.array_equal(scores.argmax(1), expected.argmax(1))
    assert "read" in ROWS[row]


def checkpoint(folder: Path, state: dict[str, np.ndarray]) -> Path:
    beside = {"model_name": "vgg", "num_classes": 5, "bd_train": {"pixels": np.zeros(9)}}
    return write_zip(folder / "attack_result.pt", {**beside, "model": tensors(state)})


def safetensors(folder: Path, state: dict[str, np.ndarray]) -> Path:
    save_file(state, folder / "net.safetensors")
    return folder / "net.safetensors"


PYTORCH: dict[str, Callable[[Path, dict[str, np.ndarray]], Path]] = {
    "PyTorch's zip format": lambda folder, state: write_zip(folder / "net.pth", tensors(state)),
    "PyTorch's legacy format": lambda folder, state: write_legacy(folder / "net.pth", tensors(state)),
    "BackdoorBench's `attack_result.pt`, and other checkpoints": checkpoint,
    "safetensors": safetensors,
}


@pytest.mark.parametrize("row", PYTORCH)
def test_is_read_with_the_labels_of_pytorch(row: str, tmp_path: Path) -> None:
    forward, size = FORWARD["small_vgg"]
    net, images = Net(), np.random.default_rng(1).uniform(0, 1, (5, 3, *size))
    labels = forward(net, images, 5).argmax(axis=1)
    model = read_network(str(PYTORCH[row](tmp_path, net.state)), "small_vgg", (*size, 3))
    scores = model.predict(images.transpose(0, 2, 3, 1).astype(np.float32), verbose=0)
    assert np.array_equal(scores.argmax(1), labels)
    assert ROWS[row].startswith(("read", "the same"))


KERAS_3 = {"HDF5 of Keras 3": "h5", "`.keras` archive of Keras 3": "keras"}


@pytest.mark.parametrize("row", KERAS_3)
def test_is_read_with_the_labels_of_keras_3(row: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = once(tmp_path_factory, "keras3", keras3_files.write)
    expected = np.load(folder / "nested.npz")
    scores = load_model(folder / f"nested.{KERAS_3[row]}").predict(expected["images"], verbose=0)
    assert np.array_equal(scores.argmax(1), expected["scores"].argmax(1))


def test_every_row_is_entered_here() -> None:
    assert {*REFUSED, *READ, *PYTORCH, *KERAS_3, "whole network pickled by PyTorch"} == set(ROWS)
