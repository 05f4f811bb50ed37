"""A network cut in two, to whose second half one step after another is applied without building it anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


class GatedNetwork:
    """The untouched network and every pruned one, cut before the first layer that a step changes.

    Channels are silenced by gates. A gate for factors of 0 and 1 stands as late as it can: behind the layer, its
    normalisation and activation, and behind pooling, all of which a silent channel passes as zero; so these are before
    the cut. `prefix` maps images to `shared`, the activations at the cut; `suffix` is the rest, gates included.
    """

    def __init__(self, network: Network, steps: Sequence[Step]) -> None:
        self._network, self._lock = network, Lock()
        self.steps = [Step(), *steps]
        edits = [edit for step in steps for edit in step.edits]
        self.reweighted = {edit.layer for edit in edits if not isinstance(edit, Silence | Cap)}
        self._gates = {layer: Gate(name=self._unused(f"{layer}_gate")) for layer in _edited(steps, Silence)}
        self._limits = {layer: Limit(name=self._unused(f"{layer}_limit")) for layer in _edited(steps, Cap)}
        twin = graph.clone(network.model, pruning.rebuilt(steps, network))
        self._twin = graph.insert(twin, self._insertions())
        added: list[Any] = [*self._gates.values(), *self._limits.values()]
        prefix, self.suffix = graph.cut(self._twin, self.reweighted | {layer.name for layer in added})
        self._prefix = tf.function(prefix, reduce_retracing=True)
        self._forward = tf.function(lambda shared: self.suffix(shared, training=False), reduce_retracing=True)

    def _unused(self, name: str) -> str:
        return graph.unused(name, [layer.name for layer in self._network.model.layers])

    def _insertions(self) -> dict[str, Callable[[Any], Any]]:
        behind: dict[str, list[Callable[[Any], Any]]] = {}
        for layer, limit in self._limits.items():
            behind.setdefault(self._network.unit(layer).end, []).append(limit)
        for layer, gate in self._gates.items():
            behind.setdefault(self._place(layer), []).append(gate)
        return {end: pruning.each(parts) for end, parts in behind.items()}

    def _place(self, layer: str) -> str:
        """The layer behind which the gate of the channels of `layer` stands."""
        end = self._network.unit(layer).end
        edits = [edit for step in self.steps if (edit := step.of(Silence).get(layer))]
        hard = all(edit.is_hard for edit in edits)
        return graph.zeros_reach(self._network.model, end) if hard else end

    @property
    def is_gated_alone(self) -> bool:
        """Whether steps differ by gates alone, so that an image without activity behind them cannot change."""
        return not self.reweighted and not self._limits

    def shared(self, images: Floats) -> list[Floats]:
        """The activations at the cut, each (n, …), of `images`, (n, H, W, C)."""
        return [tensor.numpy() for tensor in tf.nest.flatten(self._prefix(tf.constant(images), training=False))]

    def labels(self, step: int, shared: Sequence[Floats]) -> NDArray[np.int32]:
        """The class that the network of `step` gives each image, (n,); of equal scores the first."""
        with self._lock:
            self._apply(step)
            parts = []
            for start in range(0, len(shared[0]), ROWS):
                rows = [tf.constant(array[start : start + ROWS]) for array in shared]
                parts.append(best(self._forward(rows if len(rows) > 1 else rows[0]).numpy()))
        return np.concatenate(parts)

    def _apply(self, step: int) -> None:
        for name, mask in self.masks(step).items():
            self._twin.get_layer(name).mask.assign(mask)
        capped = self.steps[step].of(Cap)
        for layer, limit in self._limits.items():
            limit.caps.assign(capped[layer].caps if layer in capped else np.full(limit.caps.shape, np.inf))
        for name, weights in self.weights(step).items():
            self._twin.get_layer(name).set_weights(weights)

    def masks(self, step: int) -> dict[str, Floats]:
        """The mask, (channels,), of every gate, by its name."""
        silenced = self.steps[step].of(Silence)
        return {
            gate.name: np.asarray(silenced[layer].factors, np.float32)
            if layer in silenced
            else np.ones(gate.mask.shape, np.float32)
            for layer, gate in self._gates.items()
        }

    def weights(self, step: int) -> dict[str, list[Array]]:
        """The weights of every layer that some step changes, by its name."""
        new = pruning.new_weights(self._network, self.steps[step])
        return {layer: self._fitting(layer, new.get(layer)) for layer in self.reweighted}

    def _fitting(self, layer: str, new: list[Array] | None) -> list[Array]:
        """The weights `new`, or the untouched ones, for the twin, where a batch normalisation may have gained a γ."""
        original = self._network.model.get_layer(layer)
        weights: list[Array] = new or original.get_weights()
        missing = len(self._twin.get_layer(layer).weights) > len(weights)
        return pruning.with_gamma(original, weights) if missing else weights


def _edited(steps: Sequence[Step], kind: type[Silence] | type[Cap]) -> list[str]:
    """The layers that some step edits, in the order in which they appear."""
    return list(dict.fromkeys(layer for step in steps for layer in step.of(kind)))
