"""A repaired network: of N + 1 classes, the last of which is "backdoored". One net, or a BadNet and its pruned net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import tf_keras as keras
from numpy.typing import NDArray

from fineprune.data.split import Data, Split
from fineprune.errors import ConfigError, ModelError
from fineprune.evaluation.predict import predict
from fineprune.goodnet import GoodNet, agree
from fineprune.names import GOODNET
from fineprune.sweeping import metrics
from fineprune.untrusted.keras_config import Shape
from fineprune.untrusted.network_files import NetworkFile

Rates = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class Repaired:
    """Classifies images as `nets` agree to: 0 … N−1, or `backdoored`, N, where they do not."""

    nets: Sequence[keras.Model]
    backdoored: int

    @property
    def assumed(self) -> str:
        """What is taken for granted of a single network, in a line, since nothing in it says so; empty of two."""
        return f"assumed: class {self.backdoored}, the network's last, is 'backdoored'" if len(self.nets) == 1 else ""

    @classmethod
    def of(cls, badnet: keras.Model, pruned: keras.Model) -> Repaired:
        """The GoodNet of the two; raises ModelError unless both take the same images, and have the same classes."""
        return cls([badnet, pruned], GoodNet(badnet, pruned).backdoored)

    @classmethod
    def read(cls, path: str, shape: Shape | None = None) -> Repaired:
        """From the file of a GoodNet that fineprune saved, or of any network whose last class is "backdoored".

        Where it takes images of any size, it becomes one for images of `shape`.
        """
        nets = NetworkFile(path, "a GoodNet").nets(shape)
        if len(nets) > 1:
            return cls.of(*nets)
        classes = int(nets[0].output_shape[-1])
        if classes < 2:
            raise ModelError(
                f"expected a network of N + 1 classes, the last of which is 'backdoored', in {path}, got {classes}: "
                "give a pruned net of N classes as pruned, beside its BadNet"
            )
        return cls(nets, classes - 1)

    def labels(self, split: Split) -> NDArray[Any]:
        """The class of each image of `split`, (n,)."""
        return reduce(
            lambda ours, theirs: agree(ours, theirs, rejected=self.backdoored),
            (predict(net, split) for net in self.nets),
        )

    def check_shape(self, split: Split, name: str) -> None:
        """Raise ModelError unless it takes images of the size of `split`."""
        height, width, channels = self.nets[0].input_shape[1:]
        if split.shape != (height, width, channels):
            raise ModelError(
                f"expected images of {name} to be {(height, width, channels)} as the network's, got {split.shape}: "
                f"bring them to its size by 'data.resize=[{height},{width}]', or take the network that they are for"
            )

    def check_takes(self, split: Split, name: str) -> None:
        """Raise ModelError unless images and labels of `split` fit; no label is "backdoored"."""
        self.check_shape(split, name)
        if split.classes > self.backdoored:
            raise ModelError(
                f"expected labels of {name} from 0 to {self.backdoored - 1}, since class {self.backdoored} of the "
                f"repaired network is 'backdoored', got {split.classes - 1}: give a pruned net of N classes as pruned, "
                "beside its BadNet"
            )


def rates(repaired: Repaired, data: Data) -> Rates:
    """The rates of `repaired` on every split of the data, by split and rate, called those of a GoodNet."""
    if not data.splits:
        raise ConfigError("expected images to evaluate on, got none: set data.clean_test, data.poisoned.NAME or both")
    for name, split in data.splits.items():
        repaired.check_takes(split, name)
    measured: dict[str, float] = {}
    for name, split in data.splits.items():
        labels = repaired.labels(split)
        measured |= metrics.goodnet_rates(name, split, name in data.poisoned, labels, repaired.backdoored)
    return {GOODNET: metrics.of_net(measured, GOODNET)}
