"""The network under examination, and where it comes from: here, a file that the user was handed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tf_keras as keras

from fineprune.attacks.base import Attack
from fineprune.badnets import architectures
from fineprune.data.split import Data
from fineprune.errors import ConfigError, ModelError
from fineprune.names import GIVEN
from fineprune.progress import stage
from fineprune.untrusted import network_files

ARCHITECTURES = {build.__name__: build for build in (architectures.deepid, architectures.resnet)}


@dataclass(frozen=True)
class BadNet:
    """A network under examination, and the data to examine it on.

    `attack` is what it was trained under here, and `card` describes it.
    """

    model: keras.Model
    data: Data
    attack: str = GIVEN
    card: Mapping[str, Any] = field(default_factory=dict)


class Source(ABC):
    """What `conf/badnet` chooses from."""

    @abstractmethod
    def obtain(self, data: Data, attack: Attack, seed: int) -> BadNet:
        """The BadNet. Its data gains the poisoned splits of `attack` where that is what it was trained under."""


class FromFile(Source):
    """A whole network `model`, or `weights` by layer name in a known `architecture`; given both, `weights` replace
    those of `model`."""

    def __init__(self, model: str | None = None, weights: str | None = None, architecture: str = "deepid") -> None:
        if model is None and weights is None:
            raise ConfigError("expected badnet.model=FILE or badnet.weights=FILE, got neither: set one of them")
        self.model, self.weights = (None if file is None else str(file) for file in (model, weights))
        self.architecture = architecture

    def obtain(self, data: Data, attack: Attack, seed: int) -> BadNet:
        with stage("reading the network"):
            return BadNet(self._read(data), data)

    def _read(self, data: Data) -> keras.Model:
        if self.model is not None:
            model = network_files.load_model(self.model)
            if self.weights is not None:
                network_files.load_weights(model, self.weights)
            return model
        return read_network(str(self.weights), self.architecture, data)


def read_network(path: str, architecture: str, data: Data) -> keras.Model:
    """The network in the file `path`: whole, or weights alone that fit `architecture` at the image size of `data`."""
    file = network_files.NetworkFile(path, "a network or weights")
    if file.is_whole:
        return file.model()
    model = build(architecture, data, file.classes)
    file.assign(model)
    return model


def architecture_named(name: str) -> Any:
    """The function that builds it; raises ConfigError where there is none of that name."""
    if name not in ARCHITECTURES:
        raise ConfigError(
            f"expected badnet.architecture to be one of {', '.join(ARCHITECTURES)}, got {name!r}: set one of those"
        )
    return ARCHITECTURES[name]


def build(architecture: str, data: Data, classes: int) -> keras.Model:
    """An untrained network for images of the size that `data` has."""
    if not data.splits:
        raise ConfigError("expected images, whose size the network takes, got none: set data.clean_valid=FILE")
    shape = next(iter(data.splits.values())).shape
    try:
        return architecture_named(architecture)(shape, classes)
    except ValueError as reason:  # Keras's, where a layer would have nothing left
        raise ModelError(
            f"expected images large enough for {architecture}, got {shape}: take larger images, or badnet.model=FILE"
        ) from reason
