"""The network under examination, as strategies and the evaluator see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from fineprune.data.split import Images, Split
from fineprune.errors import ModelError, NotApplicable
from fineprune.network import graph, passes, pruning
from fineprune.network.masked import MaskedNetwork
from fineprune.network.places import Places
from fineprune.network.step import Cap, Mask, Scale, Silence, Step


class Logits(keras.Model):  # type: ignore[misc]
    """A model that counts what goes through it."""

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        return passes.counted(super().call(inputs, training, mask))


class Network(Places):
    """The network under examination. It is never changed; networks inside it are replaced by their layers."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__(graph.flat(model))
        self._reaching: dict[str, Callable[..., tf.Tensor]] = {}

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of its images."""
        return tuple(self.model.input_shape[1:])

    @property
    def classes(self) -> int:
        """How many classes it tells apart."""
        return int(self.model.output_shape[-1])

    @property
    def logits(self) -> Logits:
        """A new copy, with weights of its own and trainable, that emits (n, classes) scores before a last softmax.

        Raises NotApplicable where that is not one over the classes.
        """
        copy = graph.clone(self.model)
        copy.trainable = True
        return before_softmax(copy)

    def masked(
        self,
        edit: type[Silence] | type[Scale] | type[Mask] | type[Cap] = Scale,
        batch_statistics: bool = False,
        layers: Sequence[str] | None = None,
        filters: bool = False,
    ) -> MaskedNetwork:
        """A differentiable twin whose `layers` are edited by masks, which mean what `edit` means.

        By default these are `units` (Silence), `norms` (Scale), `convolutions` (Mask) or all `activated` (Cap). With
        `batch_statistics`, batch normalisations use those of the images that they see, as in training, and store none.
        With `filters`, a mask of Mask is that of a filter, rather than of a weight. Raises NotApplicable where there is
        nothing to mask.
        """
        shapes: dict[str, tuple[int, ...]]
        if edit is Scale:
            names, lacks = self.norms if layers is None else layers, "batch normalisation"
            shapes = {name: tuple(self.model.get_layer(name).moving_mean.shape) for name in names}
        elif edit is Mask:
            kernels, lacks = self.convolutions, "convolutions"
            names = list(kernels) if layers is None else layers
            shapes = {name: (1, 1, 1, kernels[name].shape[-1]) if filters else kernels[name].shape for name in names}
        else:
            default = self.activated("all") if edit is Cap else list(self.units)
            names, lacks = default if layers is None else layers, "prunable layers"
            shapes = {name: (self.unit(name).channels,) for name in names}
        if not shapes:
            raise NotApplicable(f"expected a network with {lacks} to mask, got one without: take another strategy")
        ends = {name: name if edit in (Scale, Mask) else self.unit(name).end for name in shapes}
        return MaskedNetwork(self.logits, edit, shapes, ends, batch_statistics)

    def maps(self, layer: str, split: Split) -> Iterator[Images]:
        """The outputs of `layer`, (rows, …, channels), on the images of `split`, block by block."""
        reach = self._reach(layer)
        for _, images in split.blocks():
            passes.add(forward=len(images))
            yield reach(tf.constant(images), training=False).numpy()

    def _reach(self, layer: str) -> Callable[..., tf.Tensor]:
        """The network up to `layer`, traced once."""
        if layer not in self._reaching:
            tensor = graph.outputs(self._call(layer))[0]
            self._reaching[layer] = tf.function(keras.Model(self.model.inputs, tensor), reduce_retracing=True)
        return self._reaching[layer]

    def activations(
        self, layer: str, split: Split, reduce: Callable[[Images], NDArray[Any]] | None = None
    ) -> NDArray[Any]:
        """What `reduce` makes of the outputs of `layer` on the images of `split`, (n, …).

        `reduce` takes those of a block, (rows, …, channels), and returns (rows, …); by default it is the mean over
        height and width, (rows, channels), in double precision.
        """
        blocks = (self._finite((reduce or _spatial_mean)(block), layer) for block in self.maps(layer, split))
        return np.concatenate(list(blocks))

    def arriving(
        self, layers: Sequence[str], split: Split, reduce: Callable[[tf.Tensor], tf.Tensor]
    ) -> dict[str, NDArray[Any]]:
        """What `reduce` makes of what arrives at each of `layers`, (n, …), in one pass over the images of `split`.

        `reduce` is made of TensorFlow: it takes what arrives of a block, (rows, …, channels), and returns (rows, …).
        """
        return self._reduced({layer: self._call(layer).keras_inputs[0] for layer in layers}, split, reduce)

    def _reduced(
        self, tensors: Mapping[str, Any], split: Split, reduce: Callable[[tf.Tensor], tf.Tensor]
    ) -> dict[str, NDArray[Any]]:
        model = keras.Model(self.model.inputs, list(tensors.values()))

        @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
        def reduced(images: tf.Tensor) -> list[tf.Tensor]:
            return [reduce(tensor) for tensor in tf.nest.flatten(model(images, training=False))]

        passes.add(forward=len(split))
        blocks = [[part.numpy() for part in reduced(tf.constant(images))] for _, images in split.blocks()]
        parts = zip(tensors, zip(*blocks, strict=True), strict=True)
        return {layer: self._finite(np.concatenate(part), layer) for layer, part in parts}

    def _finite(self, values: NDArray[Any], layer: str) -> NDArray[Any]:
        if not np.isfinite(values).all():
            raise ModelError(
                f"expected finite activations at '{layer}', got NaN or infinity: the network's weights or its inputs "
                "are too large; is data.pixel_scale the network's?"
            )
        return values

    def mean_activation(self, layer: str, split: Split) -> NDArray[np.float64]:
        """The mean output of `layer` over images, rows and columns of `split`, (channels,)."""
        sums = [self._finite(_spatial_mean(block), layer).sum(axis=0) for block in self.maps(layer, split)]
        mean: NDArray[np.float64] = np.sum(sums, axis=0) / len(split)
        return mean

    def moments(self, layers: Sequence[str], split: Split) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        """The mean and the standard deviation of each channel of `layers` over images, rows and columns of `split`.

        In double precision, in one pass over the images.
        """
        emitted = {layer: graph.outputs(self._call(layer))[0] for layer in layers}
        means = {layer: each.mean(axis=0) for layer, each in self._reduced(emitted, split, powers).items()}
        return {layer: (mean, np.sqrt(np.maximum(square - mean**2, 0))) for layer, (mean, square) in means.items()}

    def pruned(self, step: Step) -> keras.Model:
        """The pruned net that `step` makes of it."""
        return pruning.pruned(self, step)

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
                ": take the images that the network was trained for, or set data.first_label=1 where labels count "
                "from 1"
            )


def _spatial_mean(block: Images) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # infinity less infinity is reported by who asked
        mean: NDArray[np.float64] = block.mean(axis=tuple(range(1, block.ndim - 1)), dtype=np.float64)
    return mean


def powers(block: tf.Tensor) -> tf.Tensor:
    """The mean of each channel of each image, and that of its squares, (rows, 2, channels), in double precision."""
    values = tf.cast(block, tf.float64)
    places = list(range(1, len(values.shape) - 1))
    return tf.stack([tf.reduce_mean(values, places), tf.reduce_mean(values**2, places)], axis=1)


def before_softmax(model: keras.Model) -> Logits:
    """What emits the scores before a last softmax of `model`, of the same weights; `model` itself may be changed.

    So it is before a last sigmoid, which leaves the order of classes as it is. Layers behind it that only reshape stay.
    Raises NotApplicable where a softmax is not one over the classes.
    """
    tensor, behind = _last(model)
    last, scores = tensor.node.layer, model.outputs[0]
    if _is_softmax(last) and tensor.shape[-1] != model.output_shape[-1]:
        raise NotApplicable(
            f"expected a last softmax over the {model.output_shape[-1]} classes, to take logits before it, got one of "
            f"shape {tuple(tensor.shape[1:])}: take another strategy"
        )
    if isinstance(last, keras.layers.Softmax):
        scores = pruning.each(behind)(last.input)
    elif _makes_probabilities(last):
        last.activation = keras.activations.linear
    return Logits(model.inputs, scores, name=model.name)


def emits_logits(model: keras.Model) -> bool:
    """Whether the scores of `model` are logits: no last softmax, and no last sigmoid, makes probabilities of them."""
    tensor, _ = _last(model)
    layer = tensor.node.layer
    return not _makes_probabilities(layer.layer if isinstance(layer, keras.layers.Wrapper) else layer)


def _last(model: keras.Model) -> tuple[Any, list[Any]]:
    """The last tensor of `model` whose values are its scores, and the layers behind it, which only reshape."""
    behind: list[Any] = []
    tensor = model.outputs[0]
    while _reshapes(tensor.node.layer):
        behind.insert(0, tensor.node.layer)
        tensor = tensor.node.keras_inputs[0]
    return tensor, behind


def _makes_probabilities(layer: Any) -> bool:
    return _is_softmax(layer) or getattr(layer, "activation", None) is keras.activations.sigmoid


def _is_softmax(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Softmax) or getattr(layer, "activation", None) is keras.activations.softmax


def _reshapes(layer: Any) -> bool:
    """Whether `layer` hands on all values that it takes in, in their order."""
    linear = isinstance(layer, keras.layers.Activation) and layer.activation is keras.activations.linear
    return linear or isinstance(layer, keras.layers.Flatten | keras.layers.Reshape)
