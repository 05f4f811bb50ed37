"""The network under examination, as strategies and the evaluator see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from fineprune import graph
from fineprune.errors import ConfigError, ModelError, NotApplicable
from fineprune.splits import Split
from fineprune.strategy import Step

POOLINGS = (
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalAveragePooling2D,
)

# Layers that leave each channel in its place, and do not mix it with others.
PER_CHANNEL = (
    *POOLINGS,
    *graph.ACTIVATIONS,
    keras.layers.BatchNormalization,
    keras.layers.ZeroPadding2D,
    keras.layers.Cropping2D,
    keras.layers.UpSampling2D,
    keras.__internal__.layers.BaseRandomLayer,
)


@dataclass(frozen=True)
class Unit:
    """A layer with channels to prune, and the layers after it up to the place where a pruned channel is zero."""

    layer: str
    followers: tuple[str, ...]
    channels: int

    @property
    def end(self) -> str:
        return (self.layer, *self.followers)[-1]


def best(scores: NDArray[Any]) -> NDArray[np.int32]:
    """The class with the highest of `scores`, (n, classes), of equal ones the first; raises ModelError at overflow."""
    classes: NDArray[np.int32] = scores.argmax(axis=-1).astype(np.int32)
    if not (np.take_along_axis(scores, classes[:, None], axis=-1) < np.inf).all():
        raise ModelError(
            "expected the network to give every image finite scores, got NaN or infinity: its weights or its inputs "
            "are too large; is data.pixel_scale the network's?"
        )
    return classes


class Network:
    """A network that is never changed. `units` are the layers whose channels can be pruned, from input to output."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of its images."""
        return tuple(self.model.input_shape[1:])

    @property
    def classes(self) -> int:
        return int(self.model.output_shape[-1])

    @cached_property
    def units(self) -> Mapping[str, Unit]:
        weighted = [
            node.layer
            for node in graph.calls(self.model)
            if type(node.layer) in (keras.layers.Conv2D, keras.layers.Dense)
        ]
        # The last weighted layer's channels are the classes.
        once = [layer for layer in weighted[:-1] if weighted.count(layer) == 1 and graph.keeps_zero(layer)]
        return {layer.name: self._unit(layer) for layer in once}

    def _unit(self, layer: Any) -> Unit:
        followers: list[str] = []
        tensor = graph.outputs(graph.call_of(self.model, layer.name))[0]
        while len(users := graph.consumers(self.model, tensor)) == 1:
            user = users[0]
            follows = isinstance(user.layer, keras.layers.BatchNormalization) or (
                isinstance(user.layer, graph.ACTIVATIONS) and graph.keeps_zero(user.layer)
            )
            if not follows or len(user.layer.inbound_nodes) > 1:
                break
            followers.append(user.layer.name)
            tensor = graph.outputs(user)[0]
        return Unit(layer.name, tuple(followers), layer.get_weights()[0].shape[-1])

    def kernels(self, dense_only: bool) -> dict[str, NDArray[np.float32]]:
        """The kernels of the dense layers, or of the convolutions too, from input to output, the last one's too."""
        kinds = (keras.layers.Dense,) if dense_only else (keras.layers.Dense, keras.layers.Conv2D)
        layers = {node.layer.name: node.layer for node in graph.calls(self.model) if type(node.layer) in kinds}
        return {name: layer.get_weights()[0] for name, layer in layers.items()}

    def trained(self, dense_only: bool) -> list[str]:
        """The names of the layers that train: the dense ones, or all."""
        return list(self.kernels(dense_only)) if dense_only else [layer.name for layer in self.model.layers]

    def last_pooling(self) -> str:
        """The name of the pooling layer nearest to the output; raises NotApplicable where there is none."""
        names = [node.layer.name for node in graph.calls(self.model) if isinstance(node.layer, POOLINGS)]
        if not names:
            raise NotApplicable(
                "expected a network with a pooling layer to rank channels at, got none: set strategy.rank_at"
            )
        return str(names[-1])

    def feeding(self, layer: str) -> str:
        """The name of the prunable layer whose channels arrive at `layer`; raises NotApplicable unless it is one."""
        by_end = {name: unit for unit in self.units.values() for name in (unit.layer, *unit.followers)}
        node = self._call(layer)
        while node is not None and node.layer.name not in by_end and isinstance(node.layer, PER_CHANNEL):
            node = graph.producer(self.model, node.keras_inputs[0])
        if node is None or node.layer.name not in by_end:
            raise NotApplicable(
                f"expected one prunable layer to feed '{layer}', got {repr(node.layer.name) if node else 'none'}: "
                f"set strategy.layers to some of {', '.join(self.units)}"
            )
        return by_end[node.layer.name].layer

    def _call(self, layer: str) -> Any:
        try:
            return graph.call_of(self.model, layer)
        except StopIteration:
            names = ", ".join(node.layer.name for node in graph.calls(self.model))
            raise ConfigError(
                f"expected the name of a layer, one of {names}, got {layer!r}: name one of those"
            ) from None

    def unit(self, layer: str) -> Unit:
        """The prunable layer of that name; raises ConfigError where there is none."""
        if layer not in self.units:
            raise ConfigError(
                f"expected the name of a prunable layer, one of {', '.join(self.units)}, got {layer!r}"
                ": name one of those"
            )
        return self.units[layer]

    def mean_activation(self, layer: str, split: Split) -> NDArray[np.float64]:
        """The mean output of `layer` over images, rows and columns of `split`, (channels,)."""
        tensor = graph.outputs(self._call(layer))[0]
        forward = tf.function(keras.Model(self.model.inputs, tensor), reduce_retracing=True)
        sums = []
        for _, images in split.blocks():
            made = forward(tf.constant(images), training=False).numpy()
            with np.errstate(invalid="ignore"):  # infinity less infinity is told below
                sums.append(made.mean(axis=tuple(range(1, made.ndim - 1)), dtype=np.float64).sum(axis=0))
        with np.errstate(invalid="ignore"):
            mean: NDArray[np.float64] = np.sum(sums, axis=0) / len(split)
        if not np.isfinite(mean).all():
            raise ModelError(
                f"expected finite activations at '{layer}', got NaN or infinity: the network's weights or its inputs "
                "are too large; is data.pixel_scale the network's?"
            )
        return mean

    def check_step(self, step: Step) -> None:
        """Raise NotApplicable unless what `step` keeps has the shapes of prunable channels or of kernels."""
        for layer, keep in step.keep.items():
            if keep.ndim == 1:
                expected: tuple[int, ...] = (self.unit(layer).channels,)
            else:
                expected = self.model.get_layer(layer).get_weights()[0].shape
            if keep.shape != expected:
                raise NotApplicable(
                    f"expected keep['{layer}'] of shape {expected}, got {keep.shape}"
                    ": give each channel, or each weight of the kernel, its own"
                )

    def pruned(self, step: Step) -> keras.Model:
        """The network that `step` describes: a pruned channel has kernel and bias zero, and so emits zero."""
        model = graph.clone(self.model)
        for layer, weights in step.weights.items():
            model.get_layer(layer).set_weights(weights)
        for layer, keep in step.keep.items():
            kernel, *bias = model.get_layer(layer).get_weights()
            per_channel = keep.ndim == 1
            model.get_layer(layer).set_weights([kernel * keep, *(b * keep if per_channel else b for b in bias)])
            if per_channel:
                for follower in self.unit(layer).followers:
                    _silence(model.get_layer(follower), keep)
        return model

    def check_takes(self, split: Split, name: str) -> None:
        """Raise ModelError unless the images and labels of `split` fit the network."""
        if split.shape != self.input_shape:
            raise ModelError(
                f"expected images of {name} to be {self.input_shape} as the network's, got {split.shape}"
                ": scale the images, or take the network that they are for"
            )
        if split.labels.max() >= self.classes:
            raise ModelError(
                f"expected labels of {name} below the network's {self.classes} classes, got {split.labels.max()}"
                ": take the images that the network was trained for"
            )


def _silence(layer: Any, keep: NDArray[Any]) -> None:
    """Make a batch normalisation emit zero where its input is zero and `keep` is 0."""
    if isinstance(layer, keras.layers.BatchNormalization):
        for variable in (layer.gamma, layer.beta, layer.moving_mean):
            if variable is not None:
                variable.assign(variable * keep)
