"""The network under examination, and where it comes from: here, a file that the user was handed."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import tf_keras as keras

from fineprune.attacks.base import Attack
from fineprune.badnets.architectures import deepid, resnet
from fineprune.badnets.architectures.mobilenet import mobilenet_v2
from fineprune.badnets.architectures.residual import preact_resnet18, resnet18, resnet18_imagenet, wrn
from fineprune.badnets.architectures.vgg import small_vgg, vgg16_bn, vgg16_bn_imagenet, vgg19_bn, vgg19_bn_imagenet
from fineprune.data.split import Data
from fineprune.errors import ConfigError, ModelError
from fineprune.names import GIVEN
from fineprune.network.network import Network
from fineprune.progress import stage
from fineprune.untrusted import network_files
from fineprune.untrusted.keras_config import Shape

Architecture = Callable[[Shape, int], keras.Model]

ARCHITECTURES: dict[str, Architecture] = {
    build.__name__: build
    for build in (
        *(deepid, resnet, preact_resnet18, resnet18, resnet18_imagenet, small_vgg, mobilenet_v2),
        *(vgg16_bn, vgg19_bn, vgg16_bn_imagenet, vgg19_bn_imagenet),
    )
}


@dataclass(frozen=True)
class BadNet:
    """A network under examination, and the data to examine it on.

    `attack` is what it was trained under here, and `card` describes it.
    """

    network: Network
    data: Data
    attack: str = GIVEN
    card: Mapping[str, Any] = field(default_factory=dict)


class Source(ABC):
    """What `conf/badnet` chooses from."""

    @abstractmethod
    def obtain(self, data: Data, attack: Attack, seed: int) -> BadNet:
        """The BadNet. Its data gains the poisoned splits of `attack` where that is what it was trained under."""

    def images(self, data: Data, attack: Attack) -> Data:
        """The data that `obtain` would give with the BadNet."""
        return data


class FromFile(Source):
    """A whole network `model`, or `weights` by layer name in a known `architecture`; given both, `weights` replace
    those of `model`. Of several outputs of `model`, `output` names the one to examine."""

    def __init__(
        self,
        model: str | None = None,
        weights: str | None = None,
        architecture: str = "deepid",
        output: str | None = None,
    ) -> None:
        if model is None and weights is None:
            raise ConfigError("expected badnet.model=FILE or badnet.weights=FILE, got neither: set one of them")
        if model is None and output is not None:
            raise ConfigError("expected badnet.output beside badnet.model=FILE, got weights alone: leave it out")
        self.output = None if output is None else str(output)
        self.model, self.weights = (None if file is None else str(file) for file in (model, weights))
        self.architecture = architecture

    def obtain(self, data: Data, attack: Attack, seed: int) -> BadNet:
        return BadNet(self.examined(shape_of(data)), data)

    def examined(self, shape: Shape | None) -> Network:
        """What `read` reads. The last is kept, and not read again: jobs of a grid mostly examine the same network."""
        files = [file for file in (self.model, self.weights) if file is not None]
        files += [str(file) for file in map(network_files.beside, files) if file is not None]
        with stage("reading the network"):
            if any(map(Path.is_dir, map(Path, files))):  # whose files could change one by one
                return Network(self.read(shape))
            return _examined(self.model, self.weights, self.architecture, self.output, shape, tuple(map(_state, files)))

    def read(self, shape: Shape | None) -> keras.Model:
        """The network, for images of `shape` where the file does not say which it takes."""
        if self.model is not None:
            return network_files.load_model(self.model, self.weights, self.output, shape)
        return read_network(str(self.weights), self.architecture, shape)


@lru_cache(maxsize=1)
def _examined(
    model: str | None,
    weights: str | None,
    architecture: str,
    output: str | None,
    shape: Shape | None,
    states: tuple[tuple[int, ...], ...],
) -> Network:
    return Network(FromFile(model, weights, architecture, output).read(shape))


def _state(path: str) -> tuple[int, ...]:
    """What changes whenever the file `path` is written to or replaced; empty where there is none."""
    try:
        of = Path(path).stat()
    except (OSError, ValueError):  # which reading it reports: there is none, or none can have such a name
        return ()
    return of.st_dev, of.st_ino, of.st_size, of.st_mtime_ns, of.st_ctime_ns


def read_network(path: str, architecture: str, shape: Shape | None) -> keras.Model:
    """The network in the file `path`: whole, or weights alone that fit `architecture` for images of `shape`."""
    file = network_files.opened(path, "a network or weights")
    if file.is_whole:
        return file.model(shape=shape)
    model = build(architecture, shape, file.classes)
    file.assign(model)
    return model


def architecture_named(name: str) -> Architecture:
    """The function that builds it; raises ConfigError where there is none of that name.

    Wide residual networks, of which there are many, are called wrn_DEPTH_WIDTH.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    if sizes := re.fullmatch(r"wrn_(\d{1,4})_(\d{1,4})", name):
        depth, width = int(sizes[1]), int(sizes[2])
        try:
            return wrn(depth, width)
        except ValueError as reason:
            raise ConfigError(
                f"expected architecture.depth to be 10, 16, 22, … and architecture.width ≥ 1, got {depth} and {width}: "
                "set others"
            ) from reason
    raise ConfigError(
        f"expected badnet.architecture to be one of {', '.join(ARCHITECTURES)} and wrn_DEPTH_WIDTH, got {name!r}: "
        "set one of those"
    )


def shape_of(data: Data) -> Shape | None:
    """The shape of an image of `data`; None where it has none."""
    return next(iter(data.splits.values())).shape if data.splits else None


def build(architecture: str, shape: Shape | None, classes: int) -> keras.Model:
    """An untrained network for images of `shape`; raises ConfigError where that is not known."""
    if shape is None:
        raise ConfigError(
            "expected images, whose size the network takes, got none: set data.clean_valid=FILE or, to "
            "convert weights, 'image=[HEIGHT,WIDTH,CHANNELS]'"
        )
    try:
        return architecture_named(architecture)(shape, classes)
    except ValueError as reason:  # Keras's, where a layer would have nothing left
        raise ModelError(
            f"expected images large enough for {architecture}, got {shape}: take larger images, or badnet.model=FILE"
        ) from reason
