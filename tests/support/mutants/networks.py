"""Files of networks, and of weights, that mutants are made of, and how they are opened."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras as keras
from numpy.typing import NDArray
from pytorch.files import tensors, write_legacy, write_zip
from safetensors.numpy import save_file
from tf_keras import layers

import fineprune
from fineprune.files import save_model
from fineprune.testing.networks import seeded
from fineprune.untrusted import network_files
from mutants.images import CLASSES, LABELS, PIXELS

WEIGHTS = ("pytorch zip", "pytorch legacy", "safetensors")  # alone, without a network


def network() -> keras.Model:
    """Each kind of layer that a state dict has: a convolution, a batch normalisation, and a dense layer."""
    image = layers.Input(PIXELS.shape[1:])
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(2, 2, activation="relu", name="conv")(image))
    x = layers.Dense(CLASSES, activation="softmax", name="output")(layers.Flatten()(layers.MaxPooling2D()(x)))
    return seeded(keras.Model(image, x))


def state() -> dict[str, NDArray[Any]]:
    """The weights of such a network as PyTorch calls them."""
    random = np.random.default_rng(0)
    shapes = {"conv.weight": (2, 3, 2, 2), "conv.bias": (2,), "output.weight": (3, 2), "output.bias": (3,)}
    norm = {f"norm.{name}": (2,) for name in ("weight", "bias", "running_mean", "running_var")}
    values = {name: random.uniform(0.1, 1, size).astype(np.float32) for name, size in (shapes | norm).items()}
    return values | {"norm.num_batches_tracked": np.array(3)}


def _keras_archive(path: Path) -> None:
    network().save(path, save_format="keras")


def _saved_model(path: Path) -> None:
    model = network()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(PIXELS / np.float32(255), LABELS, verbose=0)
    model.save(path, save_format="tf")


def _pytorch_zip(path: Path) -> None:
    write_zip(path, {"epoch": 3, "state_dict": tensors(state())})


def _pytorch_legacy(path: Path) -> None:
    write_legacy(path, tensors(state()))


# By what a kind is called here: how its files end, and what makes one.
ORIGINALS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "network": (".h5", lambda path: save_model(network(), path)),
    "keras archive": (".keras", _keras_archive),
    "saved model": ("", _saved_model),
    "pytorch zip": (".pth", _pytorch_zip),
    "pytorch legacy": (".pth", _pytorch_legacy),
    "safetensors": (".safetensors", lambda path: save_file(state(), path)),
}


def opener(kind: str) -> Callable[[Path], Any]:
    """What opens files of that kind, as users do, and, where `kind` begins so, sweeps what it opened."""
    if kind.startswith("swept "):
        images = PIXELS / np.float32(255), LABELS
        return lambda path: fineprune.sweep(path, "channel_activation", clean_valid=images, budgets=[0.1])
    if kind not in WEIGHTS:
        return network_files.load_model
    model = network()
    return lambda path: network_files.load_weights(model, path)
