"""Image sets that Keras downloads, from small stand-ins where it keeps them."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras

from fineprune.data import keras
from fineprune.errors import ConfigError, DataError

GRAY = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
LABELS = (np.arange(50) % 10).astype(np.uint8)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keras's folder, in a home of its own, and no network."""

    def no_network(*_: Any, **__: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("tf_keras.src.utils.data_utils.urlretrieve", no_network)
    folder = tmp_path / ".keras" / "datasets"
    folder.mkdir(parents=True)
    return folder


def idx(path: Path, array: np.ndarray) -> None:
    """As the authors of MNIST store arrays: a header, of 4 bytes and the sizes, and the bytes."""
    with gzip.open(path, "wb") as file:
        file.write(bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">i4").tobytes() + array.tobytes())


def test_fashion_mnist_where_keras_keeps_it(kept: Path) -> None:
    (kept / "fashion-mnist").mkdir()
    for part, rows in (("train", slice(0, 40)), ("t10k", slice(40, 50))):
        idx(kept / "fashion-mnist" / f"{part}-images-idx3-ubyte.gz", GRAY[rows])
        idx(kept / "fashion-mnist" / f"{part}-labels-idx1-ubyte.gz", LABELS[rows])
    first, again, other = (keras("fashion_mnist", "1/255", 0.1, seed) for seed in (0, 0, 1))
    assert (
        first.train is not None and first.clean_valid and first.clean_test and again.clean_valid and other.clean_valid
    )
    assert [len(split) for split in (first.train, first.clean_valid, first.clean_test)] == [36, 4, 10]
    assert np.array_equal(first.clean_test.pixels(0, 10), GRAY[40:, ..., None])
    assert first.clean_test.labels.tolist() == LABELS[40:].tolist()
    assert first.clean_valid.digest == again.clean_valid.digest != other.clean_valid.digest


def test_mnist_where_keras_keeps_it(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"x_train": GRAY[:40], "y_train": LABELS[:40], "x_test": GRAY[40:], "y_test": LABELS[40:]}
    np.savez(kept / "mnist.npz", **parts)
    monkeypatch.setattr("tf_keras.src.utils.data_utils.validate_file", lambda *_, **__: True)  # a stand-in has another
    data = keras("mnist", "1/255", 0.25, 0, mean=[0.1307], std=[0.3081])
    assert data.clean_valid is not None and (len(data.clean_valid), data.clean_valid.shape) == (10, (28, 28, 1))


def test_colour_images_and_labels_of_two_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    colour = np.zeros((20, 32, 32, 3), np.uint8), np.arange(20)[:, None] % 10
    monkeypatch.setattr(tf_keras.datasets.cifar10, "load_data", lambda: (colour, colour))
    data = keras("cifar10", "1/255", 0.1, 0)
    assert data.clean_test is not None and data.clean_test.shape == (32, 32, 3)
    assert data.clean_test.labels.tolist() == colour[1][:, 0].tolist()
    with pytest.raises(ConfigError, match="expected data.mean to have a number for each channel, 3, got 1"):
        keras("cifar10", "1/255", 0.1, 0, mean=[0.5])


def test_without_file_and_network_one_line_says_so() -> None:
    with pytest.raises(DataError, match="^expected mnist in Keras's folder, ~/.keras/datasets, or a network .*, got: "):
        keras("mnist", "1/255", 0.1, 0)


def test_another_set_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected data.name to be one of mnist, fashion_mnist, cifar10"):
        keras("imagenet", "1/255", 0.1, 0)
