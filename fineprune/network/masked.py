"""A network that is multiplied by masks, or limited by caps, that can be learnt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from fineprune.network import graph, labels, passes
from fineprune.network.places import Places
from fineprune.network.step import Array, Cap, Mask, Scale, Silence
from fineprune.network.unit import is_norm

if TYPE_CHECKING:
    from fineprune.data.split import Split


class MaskedNetwork:
    """Called with images, (n, H, W, C), and masks, (size,), it gives the logits, (n, classes), of the masked network.

    The masks of all layers are concatenated, in the order of `shapes`; `by_layer` splits them. A mask means what
    the values of `edit` mean: γ is multiplied by it (Scale), the kernel of a convolution (Mask), what the layer's unit
    emits (Silence), or that is limited to it (Cap), at the layer that `ends` names. A mask of the shape (1, 1, 1,
    filters) holds for all weights of a filter. `shifts`, (size,), where given with
    Scale, change β to β · (1 + shift). Everything is differentiable, and weights never change.
    """

    def __init__(
        self,
        model: keras.Model,
        edit: type[Silence] | type[Scale] | type[Mask] | type[Cap],
        shapes: Mapping[str, tuple[int, ...]],
        ends: Mapping[str, str],
        batch_statistics: bool,
    ) -> None:
        self._model, self._edit, self.shapes, self._batch = model, edit, shapes, batch_statistics
        sizes = [math.prod(shape) for shape in shapes.values()]
        self._ends = np.cumsum(sizes)
        self.size = int(self._ends[-1])
        self._slices = {
            ends[name]: slice(int(stop) - size, int(stop))
            for name, size, stop in zip(shapes, sizes, self._ends, strict=True)
        }

    def __call__(self, images: tf.Tensor, masks: tf.Tensor, shifts: tf.Tensor | None = None) -> tf.Tensor:
        return passes.counted(self._emitted(self._model, images, masks, shifts))

    def features(self, images: tf.Tensor, masks: tf.Tensor, shifts: tf.Tensor | None = None) -> tf.Tensor:
        """What arrives at the classifier, (n, …), of the masked network; `classified` makes logits of it."""
        return passes.counted(self._emitted(self._halves[0], images, masks, shifts))

    def classified(self, features: tf.Tensor, masks: tf.Tensor, shifts: tf.Tensor | None = None) -> tf.Tensor:
        """The logits, (n, classes), that the rest of the masked network makes of its `features`."""
        return self._emitted(self._halves[1], features, masks, shifts)

    @cached_property
    def _halves(self) -> tuple[keras.Model, keras.Model]:
        """The network before its classifier, and from it on."""
        arriving = graph.call_of(self._model, Places(self._model).classifier).keras_inputs[0]
        return keras.Model(self._model.inputs, arriving), keras.Model(arriving, self._model.outputs[0])

    def _emitted(self, model: keras.Model, images: tf.Tensor, masks: tf.Tensor, shifts: tf.Tensor | None) -> tf.Tensor:
        def call(layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
            part = self._slices.get(layer.name)
            if is_norm(layer):
                scaled = part is not None and self._edit is Scale
                factors = masks[part] if scaled else None
                shift = shifts[part] if scaled and shifts is not None else None
                result = self._normalised(layer, args[0], factors, shift)
            elif part is not None and self._edit is Mask:
                result = _convolved(layer, args[0], tf.reshape(masks[part], self.shapes[layer.name]))
            else:
                # Augmentations change images wherever nobody says that this is inference.
                layer, args, kwargs = graph.in_mode({"training": False}, layer, args, kwargs)
                result = layer(*args, **kwargs)
            if part is not None and self._edit is Cap:
                return tf.minimum(result, masks[part])
            return result * masks[part] if part is not None and self._edit is Silence else result

        return graph.replay(model, [images], call)[0]

    def masks(self, start: Any = 1.0, within: tuple[Any, Any] = (0.0, 1.0)) -> tf.Variable:
        """Masks to learn, (size,), `start` at first; each step of an optimizer leaves them `within` two bounds.

        `start` and the bounds are each one number, or one for each mask.
        """
        low, high = (np.asarray(bound, np.float32) for bound in within)
        return tf.Variable(
            np.broadcast_to(np.asarray(start, np.float32), self.size),
            constraint=lambda masks: tf.clip_by_value(masks, low, high),
        )

    def accuracy(self, masks: tf.Tensor, split: Split) -> float:
        """The share of the images of `split` that the network with these masks gives their labels."""
        values = tf.convert_to_tensor(masks, tf.float32)
        return labels.accuracy(lambda images: self._scores(images, values), split)

    @cached_property
    def _scores(self) -> Any:
        return tf.function(lambda images, masks: self(images, masks), reduce_retracing=True)

    def parts(self, masks: Any) -> list[tf.Tensor]:
        """The masks, (size,), of each layer, flat and differentiable."""
        return list(tf.split(masks, [math.prod(shape) for shape in self.shapes.values()]))

    def by_layer(self, masks: Any) -> dict[str, Array]:
        """The masks, (size,), of each layer, of the layer's shape: (channels,), or that of its kernel."""
        parts = np.split(np.asarray(masks), self._ends[:-1])
        shaped = {name: part.reshape(self.shapes[name]) for name, part in zip(self.shapes, parts, strict=True)}
        if self._edit is not Mask:
            return shaped
        kernels = Places(self._model).convolutions
        return {name: np.broadcast_to(part, kernels[name].shape) for name, part in shaped.items()}

    def edits(self, masks: Any) -> list[Silence | Scale | Mask | Cap]:
        """What a step holds that does to the network what these masks, (size,), do here."""
        return [self._edit(layer, part) for layer, part in self.by_layer(masks).items()]

    def _normalised(self, norm: Any, x: tf.Tensor, factors: Any, shifts: Any) -> tf.Tensor:
        mean, variance = norm.moving_mean, norm.moving_variance
        gamma = tf.ones_like(mean) if norm.gamma is None else norm.gamma
        beta = tf.zeros_like(mean) if norm.beta is None else norm.beta
        gamma = gamma if factors is None else gamma * factors
        beta = beta if shifts is None else beta * (1 + shifts)
        if self._batch and len(x.shape) == 4:
            # One operation takes two thirds of the time of the two below, but knows images alone.
            fused = {"x": x, "scale": gamma, "offset": beta, "epsilon": norm.epsilon}
            return tf.raw_ops.FusedBatchNormV3(**fused, mean=[], variance=[], is_training=True).y
        if self._batch:
            mean, variance = tf.nn.moments(x, list(range(len(x.shape) - 1)))
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, norm.epsilon)


def _convolved(convolution: Any, x: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """What a `Conv2D` emits whose kernel is multiplied by `factors`."""
    x = convolution.convolution_op(x, convolution.kernel * factors)
    return convolution.activation(x if convolution.bias is None else tf.nn.bias_add(x, convolution.bias))
