"""A network cut in two, to whose second half one step after another is applied without building it anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from fineprune.network import graph, pruning
from fineprune.network.labels import best
from fineprune.network.network import Network
from fineprune.network.step import Array, Cap, Silence, Step

ROWS = 256  # how many images TensorFlow is given at once, which bounds its memory

Floats = NDArray[np.float32]


class Gate(keras.layers.Layer):  # type: ignore[misc]
    """Multiplies each channel by a mask that can be set without retracing."""

    def build(self, shape: tf.TensorShape) -> None:
        self.mask = self.add_weight("mask", (shape[-1],), initializer="ones", trainable=False)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * self.mask


class Limit(keras.layers.Layer):  # type: ignore[misc]
    """Limits each channel to a cap that can be set without retracing."""

    def build(self, shape: tf.TensorShape) -> None:
        self.caps = self.add_weight("caps", (shape[-1],), initializer="ones", trainable=False)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.minimum(inputs, self.caps)


class Twin:
    """A copy of `network` with gates and limits in it, cut before the first layer that a step changes.

    `gates` and `limits` say behind which layer each stands, by the layer whose channels it edits; the layers
    `reweighted` are given other weights, those of `gain` a γ, which they lack. `prefix` maps images to the activations
    at the cut, `suffix` these to scores. Whoever sets masks and weights holds the `lock` until the scores are there.
    """

    def __init__(
        self,
        network: Network,
        gates: tuple[tuple[str, str], ...],
        limits: tuple[tuple[str, str], ...],
        reweighted: frozenset[str],
        gain: frozenset[str],
    ) -> None:
        self.lock = Lock()
        used = [layer.name for layer in network.model.layers]
        self.gates = {layer: Gate(name=graph.unused(f"{layer}_gate", used)) for layer, _ in gates}
        self.limits = {layer: Limit(name=graph.unused(f"{layer}_limit", used)) for layer, _ in limits}
        behind: dict[str, list[Callable[[Any], Any]]] = {}
        for places, layers in ((limits, self.limits), (gates, self.gates)):
            for layer, end in places:
                behind.setdefault(end, []).append(layers[layer])
        self.model = graph.insert(
            pruning.copied(network, gain), {end: pruning.each(parts) for end, parts in behind.items()}
        )
        added = {gate.name for gate in self.gates.values()} | {limit.name for limit in self.limits.values()}
        prefix, self.suffix = graph.cut(self.model, reweighted | added)
        self.prefix = tf.function(prefix, reduce_retracing=True)
        self.forward = tf.function(lambda shared: self.suffix(shared, training=False), reduce_retracing=True)


shared_twin = lru_cache(maxsize=1)(Twin)  # traced once for the jobs of a grid, which mostly prune the same layers


class GatedNetwork:
    """The untouched network and every pruned one, cut before the first layer that a step changes.

    Channels are silenced by gates. A gate for factors of 0 and 1 stands as late as it can: behind the layer, its
    normalisation and activation, and behind pooling, all of which a silent channel passes as zero; so these are before
    the cut. `shared` gives the activations at the cut; `suffix` is the rest, gates included.
    """

    def __init__(self, network: Network, steps: Sequence[Step]) -> None:
        self._network = network
        self.steps = [Step(), *steps]
        edits = [edit for step in steps for edit in step.edits]
        self.reweighted = frozenset(edit.layer for edit in edits if not isinstance(edit, Silence | Cap))
        gates = tuple((layer, self._place(layer)) for layer in _edited(steps, Silence))
        limits = tuple((layer, network.unit(layer).end) for layer in _edited(steps, Cap))
        self._twin = shared_twin(network, gates, limits, self.reweighted, pruning.lacking(steps, network))
        self.suffix = self._twin.suffix

    def _place(self, layer: str) -> str:
        """The layer behind which the gate of the channels of `layer` stands."""
        end = self._network.unit(layer).end
        edits = [edit for step in self.steps if (edit := step.of(Silence).get(layer))]
        hard = all(edit.is_hard for edit in edits)
        return graph.zeros_reach(self._network.model, end) if hard else end

    @property
    def is_gated_alone(self) -> bool:
        """Whether steps differ by gates alone, so that an image without activity behind them cannot change."""
        return not self.reweighted and not self._twin.limits

    def shared(self, images: Floats) -> list[Floats]:
        """The activations at the cut, each (n, …), of `images`, (n, H, W, C)."""
        return [tensor.numpy() for tensor in tf.nest.flatten(self._twin.prefix(tf.constant(images), training=False))]

    def labels(self, step: int, shared: Sequence[Floats]) -> NDArray[np.int32]:
        """The class that the network of `step` gives each image, (n,); of equal scores the first."""
        with self._twin.lock:
            self._apply(step)
            parts = []
            for start in range(0, len(shared[0]), ROWS):
                rows = [tf.constant(array[start : start + ROWS]) for array in shared]
                parts.append(best(self._twin.forward(rows if len(rows) > 1 else rows[0]).numpy()))
        return np.concatenate(parts)

    def _apply(self, step: int) -> None:
        for name, mask in self.masks(step).items():
            self._twin.model.get_layer(name).mask.assign(mask)
        capped = self.steps[step].of(Cap)
        for layer, limit in self._twin.limits.items():
            limit.caps.assign(capped[layer].caps if layer in capped else np.full(limit.caps.shape, np.inf))
        for name, weights in self.weights(step).items():
            self._twin.model.get_layer(name).set_weights(weights)

    def masks(self, step: int) -> dict[str, Floats]:
        """The mask, (channels,), of every gate, by its name."""
        silenced = self.steps[step].of(Silence)
        return {
            gate.name: np.asarray(silenced[layer].factors, np.float32)
            if layer in silenced
            else np.ones(gate.mask.shape, np.float32)
            for layer, gate in self._twin.gates.items()
        }

    def weights(self, step: int) -> dict[str, list[Array]]:
        """The weights of every layer that some step changes, by its name."""
        new = pruning.new_weights(self._network, self.steps[step])
        return {layer: self._fitting(layer, new.get(layer)) for layer in self.reweighted}

    def _fitting(self, layer: str, new: list[Array] | None) -> list[Array]:
        """The weights `new`, or the untouched ones, for the twin, where a batch normalisation may have gained a γ."""
        original = self._network.model.get_layer(layer)
        weights: list[Array] = new or original.get_weights()
        missing = len(self._twin.model.get_layer(layer).weights) > len(weights)
        return pruning.with_gamma(original, weights) if missing else weights


def _edited(steps: Sequence[Step], kind: type[Silence] | type[Cap]) -> list[str]:
    """The layers that some step edits."""
    return sorted({layer for step in steps for layer in step.of(kind)})
