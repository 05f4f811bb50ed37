"""A network cut in two, whose second half takes on one step after the other without being built anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from threading import Lock

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from fineprune import graph
from fineprune.network import Network, Unit, best
from fineprune.strategy import Array, Step

ROWS = 256  # how many images TensorFlow is given at once, which bounds its memory

Floats = NDArray[np.float32]


class Gate(keras.layers.Layer):  # type: ignore[misc]
    """Multiplies each channel by a mask that can be set without retracing."""

    def build(self, shape: tf.TensorShape) -> None:
        self.mask = self.add_weight("mask", (shape[-1],), initializer="ones", trainable=False)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * self.mask


class GatedNetwork:
    """The untouched network and every pruned one, cut before the first layer that a step changes.

    Whole channels are pruned by gates. A gate stands as late as it may: behind the layer, its normalisation and
    activation, and behind pooling, all of which a pruned channel passes as zero. So these are before the cut.
    `prefix` maps images to `shared`, the activations at the cut; `suffix` is the rest, gates included.
    """

    def __init__(self, network: Network, steps: Sequence[Step]) -> None:
        self._network, self._taking_on = network, Lock()
        self.steps = [Step({}), *(_resolved(network, step) for step in steps)]
        masks = {name: keep.shape for step in self.steps for name, keep in step.keep.items() if keep.ndim == 1}
        ends = {name: graph.passed_by_channels(network.model, network.unit(name).end) for name in masks}
        self._gates = {name: Gate(name=f"{name}_gate") for name in masks}
        twin = graph.clone(network.model)
        self._twin = graph.insert(twin, {end: self._gates[name] for name, end in ends.items()})
        self.reweighted = {
            name
            for step in self.steps
            for name in (*step.weights, *step.keep)
            if name in step.weights or step.keep[name].ndim > 1
        }
        changing = self.reweighted | {gate.name for gate in self._gates.values()}
        prefix, self.suffix = graph.cut(self._twin, changing)
        self._prefix = tf.function(prefix, reduce_retracing=True)
        self._forward = tf.function(lambda shared: self.suffix(shared, training=False), reduce_retracing=True)

    def shared(self, images: Floats) -> list[Floats]:
        """The activations at the cut, each (n, …), of `images`, (n, H, W, C)."""
        return [tensor.numpy() for tensor in tf.nest.flatten(self._prefix(tf.constant(images), training=False))]

    def labels(self, step: int, shared: Sequence[Floats]) -> NDArray[np.int32]:
        """The class that the network of `step` gives each image, (n,); of equal scores the first."""
        with self._taking_on:
            for name, mask in self.masks(step).items():
                self._twin.get_layer(name).mask.assign(mask)
            for name, weights in self.weights(step).items():
                self._twin.get_layer(name).set_weights(weights)
            found = []
            for start in range(0, len(shared[0]), ROWS):
                rows = [tf.constant(array[start : start + ROWS]) for array in shared]
                found.append(best(self._forward(rows if len(rows) > 1 else rows[0]).numpy()))
        return np.concatenate(found)

    def masks(self, step: int) -> dict[str, Floats]:
        """The mask, (channels,), of every gate, by its name."""
        keep = self.steps[step].keep
        return {
            gate.name: np.asarray(keep[name], np.float32)
            if _is_gated(self.steps[step], name)
            else np.ones(gate.mask.shape, np.float32)
            for name, gate in self._gates.items()
        }

    def weights(self, step: int) -> dict[str, list[Array]]:
        """The weights of every layer that some step changes, by its name."""
        found, masks = {}, self.steps[step].keep
        for name in self.reweighted:
            kernel, *rest = self.steps[step].weights.get(name, self._untouched[name])
            masked = name in masks and masks[name].ndim > 1
            found[name] = [kernel * masks[name] if masked else kernel, *rest]
        return found

    @cached_property
    def _untouched(self) -> Mapping[str, Sequence[Array]]:
        return {name: self._network.model.get_layer(name).get_weights() for name in self.reweighted}


def _is_gated(step: Step, name: str) -> bool:
    return name in step.keep and step.keep[name].ndim == 1


def _resolved(network: Network, step: Step) -> Step:
    """`step`, where masks of channels that a gate cannot stand for are turned into new weights.

    A gate multiplies what a layer emits, a step what it is made of. That is the same for 0 and 1; for what is
    between them only where no normalisation follows and the activation is linear from zero on.
    """
    soft = {
        name: network.unit(name)
        for name, keep in step.keep.items()
        if keep.ndim == 1 and not np.isin(keep, (0, 1)).all() and not _scales(network, network.unit(name), keep)
    }
    if not soft:
        return step
    pruned = network.pruned(step)
    new = {
        part: pruned.get_layer(part).get_weights() for unit in soft.values() for part in (unit.layer, *unit.followers)
    }
    keep = {name: mask for name, mask in step.keep.items() if name not in soft}
    return Step(keep, {**step.weights, **{name: weights for name, weights in new.items() if weights}})


def _scales(network: Network, unit: Unit, keep: Array) -> bool:
    parts = [network.model.get_layer(name) for name in (unit.layer, *unit.followers)]
    return bool((keep >= 0).all()) and all(graph.is_homogeneous(part) for part in parts)
