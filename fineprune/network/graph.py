"""Reading, rebuilding and cutting the graph of a functional Keras model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

layers = keras.layers

ACTIVATIONS = (
    layers.Activation,
    layers.ReLU,
    layers.LeakyReLU,
    layers.PReLU,
    layers.ELU,
    layers.ThresholdedReLU,
)

POOLINGS = (
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
)

# Layers that treat each channel separately, and map a zero channel to zero.
CHANNELWISE = (
    *POOLINGS,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    layers.Cropping1D,
    layers.Cropping2D,
    layers.UpSampling1D,
    layers.UpSampling2D,
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
)

Call = Callable[[Any, Sequence[Any], Mapping[str, Any]], Any]


def calls(model: keras.Model) -> Iterator[Any]:
    """Each call of a layer in `model` (a Keras Node), after all those that it depends on."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from (node for node in model._nodes_by_depth[depth] if not node.is_input)


def outputs(node: Any) -> list[Any]:
    """The tensors that a call produces."""
    return tf.nest.flatten(node.outputs)  # type: ignore[no-any-return]


def is_shared(model: keras.Model, layer: Any) -> bool:
    """Whether `model` calls `layer` more than once."""
    return sum(node.layer is layer for node in calls(model)) > 1


def call_of(model: keras.Model, layer: str) -> Any:
    """The first call of the layer named `layer`."""
    return next(node for node in calls(model) if node.layer.name == layer)


def producer(model: keras.Model, tensor: Any) -> Any | None:
    """The call that produces `tensor`; None for the network's input."""
    return next((node for node in calls(model) if any(tensor is output for output in outputs(node))), None)


def consumers(model: keras.Model, tensor: Any) -> list[Any]:
    """The calls that take `tensor` in."""
    return [node for node in calls(model) if any(tensor is read for read in node.keras_inputs)]


def activates(layer: Any) -> bool:
    """Whether `layer` is an activation, or has one, other than the linear one."""
    activation = getattr(layer, "activation", None)
    return isinstance(layer, ACTIVATIONS[1:]) or activation not in (None, keras.activations.linear)


def keeps_zero(layer: Any) -> bool:
    """Whether the activation of `layer`, which is one of ACTIVATIONS or has one, maps zero to zero."""
    if isinstance(layer, layers.PReLU):
        return True
    activation = layer.call if isinstance(layer, ACTIVATIONS[1:]) else layer.activation
    return not np.any(activation(tf.zeros((1, 1))))


def passes_zeros(layer: Any) -> bool:
    """Whether a channel that is zero in what `layer` takes in is zero in what it emits, whatever the others are."""
    if isinstance(layer, CHANNELWISE):
        return bool(getattr(layer, "data_format", "channels_last") == "channels_last")
    return isinstance(layer, ACTIVATIONS) and keeps_zero(layer)


def zeros_reach(model: keras.Model, layer: str) -> str:
    """The last layer that the channels of `layer` reach, each by itself, and still zero where they are zero."""
    tensor = outputs(call_of(model, layer))[0]
    while len(users := consumers(model, tensor)) == 1:
        user = users[0].layer
        if not passes_zeros(user) or is_shared(model, user):
            break
        layer, tensor = user.name, outputs(users[0])[0]
    return layer


def replay(model: keras.Model, inputs: Sequence[Any], call: Call) -> list[Any]:
    """What `model` makes of `inputs`, symbolic or not, where `call(layer, args, kwargs)` stands for each call."""
    values = dict(zip(map(id, model.inputs), inputs, strict=True))

    def value(argument: Any) -> Any:
        return values.get(id(argument), argument)

    for node in calls(model):
        args, kwargs = tf.nest.map_structure(value, (list(node.call_args), node.call_kwargs))
        values |= zip(map(id, outputs(node)), tf.nest.flatten(call(node.layer, args, kwargs)), strict=True)
    return [values[id(tensor)] for tensor in model.outputs]


def clone(model: keras.Model, changes: Mapping[str, Mapping[str, Any]] | None = None) -> keras.Model:
    """A copy of `model` with weights of its own; `changes` are new entries of the configs of layers, by name."""

    def copied(layer: Any) -> Any:
        return layer.__class__.from_config(layer.get_config() | dict((changes or {}).get(layer.name, {})))

    copy = keras.models.clone_model(model, clone_function=copied)
    for layer in model.layers:
        weights = layer.get_weights()
        if len(weights) == len(copy.get_layer(layer.name).weights):
            _set_weights(copy.get_layer(layer.name), weights)
    return copy


def _set_weights(layer: Any, weights: Sequence[Any]) -> None:
    layer.set_weights(weights)
    layer.finalize_state()  # a normalisation computes by what it makes of its weights here


def insert(model: keras.Model, after: Mapping[str, Callable[[Any], Any]]) -> keras.Model:
    """A model of the same layers, where `after[name]` is applied to what the layer called `name` emits."""

    def call(layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        result = layer(*args, **kwargs)
        return after[layer.name](result) if layer.name in after else result

    return keras.Model(model.inputs, replay(model, model.inputs, call), name=model.name)


def flat(model: keras.Model) -> keras.Model:
    """`model` itself or, where there are networks among its layers, a copy with their layers in their place.

    Layers whose names would then not be the only ones are renamed, as `block` to `block_1`.
    """
    if not any(map(_is_network, model.layers)):
        return model
    copies: dict[int, tuple[Any, Any]] = {}
    names: set[str] = set()

    def call(layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if _is_network(layer):
            # A network that is called with training=… hands that to all its layers.
            mode = {key: value for key, value in kwargs.items() if key == "training" and value is not None}
            return replay(layer, tf.nest.flatten(args), lambda *inner: call(*in_mode(mode, *inner)))
        if id(layer) not in copies:
            name = unused(layer.name, names)
            names.add(name)
            copies[id(layer)] = layer, layer.__class__.from_config(layer.get_config() | {"name": name})
        return copies[id(layer)][1](*args, **kwargs)

    inputs = [keras.Input(tensor.shape[1:], name=tensor.node.layer.name) for tensor in model.inputs]
    names.update(tensor.node.layer.name for tensor in inputs)
    copy = keras.Model(inputs, replay(model, inputs, call), name=model.name)
    for layer, twin in copies.values():
        _set_weights(twin, layer.get_weights())
    return copy


def in_mode(mode: Mapping[str, Any], layer: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """A call of a layer with the keywords `mode`, such as training=False, where the layer knows them."""
    return layer, args, {**kwargs, **mode} if layer._expects_training_arg else kwargs


def unused(name: str, names: Collection[str]) -> str:
    """`name` or, if it is among `names`, with the first number behind it that makes it another."""
    number = 0
    while (numbered := f"{name}_{number}" if number else name) in names:
        number += 1
    return numbered


def _is_network(layer: Any) -> bool:
    return isinstance(layer, keras.Model) and bool(getattr(layer, "_is_graph_network", False))


def cut(model: keras.Model, changing: Collection[str]) -> tuple[keras.Model, keras.Model]:
    """Split `model` in two: what no layer named in `changing` influences, and the rest, fed by the former's outputs.

    The two share the layers of `model`.
    """
    influenced: set[int] = set()
    needed: dict[int, Any] = {}
    for node in calls(model):
        if node.layer.name in changing or any(id(tensor) in influenced for tensor in node.keras_inputs):
            influenced.update(map(id, outputs(node)))
            needed |= {id(tensor): tensor for tensor in node.keras_inputs}
    frontier = [tensor for key, tensor in needed.items() if key not in influenced]
    if not frontier:
        scores = keras.Input(model.output_shape[1:])
        return model, keras.Model(scores, scores)
    return keras.Model(model.inputs, frontier), keras.Model(frontier, model.outputs[0])
