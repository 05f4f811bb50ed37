"""What the pruned nets of a sweep say about each image, with everything that they share computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from fineprune import graph
from fineprune.network import Network
from fineprune.splits import Images, Split
from fineprune.strategy import Step

ClassLabels = NDArray[np.int32]


class Gate(keras.layers.Layer):  # type: ignore[misc]
    """Multiplies each channel by a mask that can be set without retracing."""

    def build(self, shape: tf.TensorShape) -> None:
        self.mask = self.add_weight("mask", (shape[-1],), initializer="ones", trainable=False)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * self.mask


class Evaluator:
    """Labels that the untouched network and each of `steps` give, equal to those of `network.pruned(step)`.

    The network is cut before the earliest layer that a step touches. What stands before the cut runs once an
    image, what stands after it once an image and step. Whole channels are pruned by gates behind their layer, so
    that a layer whose channels are pruned, but whose weights stay, is before the cut too.
    """

    def __init__(self, network: Network, steps: Sequence[Step]) -> None:
        self._network, self._steps = network, steps
        self._gates = {
            unit.layer: Gate(name=f"{unit.layer}_gate")
            for unit in network.units.values()
            if any(step.keep.get(unit.layer, np.empty((0, 0))).ndim == 1 for step in steps)
        }
        behind = {network.units[layer].end: gate for layer, gate in self._gates.items()}
        self._twin = graph.insert(graph.clone(network.model), behind)
        self._reweighted = {
            layer
            for step in steps
            for layer in (*step.weights, *step.keep)
            if layer in step.weights or step.keep[layer].ndim > 1
        }
        changing = self._reweighted | {gate.name for gate in self._gates.values()}
        prefix, suffix = graph.cut(self._twin, changing)
        self._prefix: Callable[..., Any] = tf.function(prefix, reduce_retracing=True)
        self._suffix: Callable[..., Any] = tf.function(_labels_of(suffix), reduce_retracing=True)

    def labels(self, images: Images) -> ClassLabels:
        """The class of each of `images`, (n, H, W, C), by each network: (1 + steps, n), the untouched one first."""
        shared = self._prefix(tf.constant(images), training=False)
        rows = []
        for step in (Step({}), *self._steps):
            self._take_on(step)
            rows.append(self._suffix(shared).numpy())
        return np.stack(rows)

    def _take_on(self, step: Step) -> None:
        for layer, gate in self._gates.items():
            keep = step.keep.get(layer)
            gate.mask.assign(keep if keep is not None and keep.ndim == 1 else np.ones(gate.mask.shape, np.float32))
        for layer in self._reweighted:
            weights = list(step.weights.get(layer, self._network.model.get_layer(layer).get_weights()))
            if layer in step.keep and step.keep[layer].ndim > 1:
                weights[0] = weights[0] * step.keep[layer]
            self._twin.get_layer(layer).set_weights(weights)


def _labels_of(suffix: keras.Model) -> Callable[[Any], tf.Tensor]:
    return lambda shared: tf.argmax(suffix(shared, training=False), axis=-1, output_type=tf.int32)


def predict_steps(
    network: Network, steps: Sequence[Step], splits: Mapping[str, Split], advance: Callable[[int], None]
) -> dict[str, ClassLabels]:
    """The labels of every split, (1 + steps, n); `advance` is told of each block how many images are done."""
    evaluator = Evaluator(network, steps)

    def blocks(split: Split) -> Iterator[ClassLabels]:
        for _, images in split.blocks():
            yield evaluator.labels(images)
            advance(len(images))

    return {name: np.concatenate(list(blocks(split)), axis=1) for name, split in splits.items()}


def predict(model: keras.Model, split: Split) -> ClassLabels:
    """The class that `model` gives each image of `split`, (n,)."""
    forward = tf.function(_labels_of(model), reduce_retracing=True)
    return np.concatenate([forward(tf.constant(images)).numpy() for _, images in split.blocks()])
