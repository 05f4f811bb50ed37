"""Places in a network whose channels can be pruned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tf_keras as keras

from fineprune.network import graph
from fineprune.network.step import Array

layers = keras.layers

# Layers that emit zero in a channel whose weights are zero, and where among their weights its kernel stands.
WEIGHTED = {layers.Conv1D: 0, layers.Conv2D: 0, layers.Dense: 0, layers.SeparableConv2D: 1}


@dataclass(frozen=True)
class UnitWeights:
    """What the channels of a unit are made of.

    `kernel` is (…, channels), `bias` (channels,); `gamma`, `beta`, `mean` and `variance`, (channels,), are those of
    its batch normalisation, whose name is `norm`. What a unit lacks is None.
    """

    kernel: Array
    bias: Array | None = None
    norm: str | None = None
    gamma: Array | None = None
    beta: Array | None = None
    mean: Array | None = None
    variance: Array | None = None


@dataclass(frozen=True)
class Unit:
    """The channels that `layer` emits, and the layers behind it, normalisation and activations, up to their `end`.

    `weighted` says that they can be pruned by zeros in the weights of these layers; where it is false, as of a sum of
    two branches, what is emitted has to be multiplied.
    """

    layer: str
    followers: tuple[str, ...]
    channels: int
    weighted: bool

    @property
    def end(self) -> str:
        """The name of the last of these layers, which emits what the channels come to."""
        return (self.layer, *self.followers)[-1]

    @classmethod
    def at(cls, model: keras.Model, node: Any) -> Unit:
        """The channels of what the call `node` emits."""
        layer, tensor = node.layer, graph.outputs(node)[0]
        weighted = type(layer) in WEIGHTED and graph.keeps_zero(layer)
        return cls(layer.name, _followers(model, tensor) if weighted else (), int(tensor.shape[-1]), weighted)


def _followers(model: keras.Model, tensor: Any) -> tuple[str, ...]:
    names: list[str] = []
    while len(users := graph.consumers(model, tensor)) == 1:
        layer = users[0].layer
        follows = is_norm(layer) or (isinstance(layer, graph.ACTIVATIONS) and graph.keeps_zero(layer))
        if not follows or graph.is_shared(model, layer):
            break
        names.append(layer.name)
        tensor = graph.outputs(users[0])[0]
    return tuple(names)


def is_norm(layer: Any) -> bool:
    """Whether `layer` is a batch normalisation of the channels, which stand on the last axis."""
    if not isinstance(layer, layers.BatchNormalization):
        return False
    return tuple(layer.axis) == (len(layer.get_input_shape_at(0)) - 1,)
