"""Reading and cutting the graph of a functional Keras model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

ACTIVATIONS = (keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU)


def calls(model: keras.Model) -> Iterator[Any]:
    """Each call of a layer in `model` (a Keras Node), after all those that it depends on."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from (node for node in model._nodes_by_depth[depth] if not node.is_input)


def outputs(node: Any) -> list[Any]:
    """The tensors that a call produces."""
    return tf.nest.flatten(node.outputs)  # type: ignore[no-any-return]


def call_of(model: keras.Model, layer: str) -> Any:
    """The first call of the layer named `layer`."""
    return next(node for node in calls(model) if node.layer.name == layer)


def producer(model: keras.Model, tensor: Any) -> Any | None:
    """The call that produces `tensor`; None for the network's input."""
    return next((node for node in calls(model) if any(tensor is made for made in outputs(node))), None)


def consumers(model: keras.Model, tensor: Any) -> list[Any]:
    """The calls that take `tensor` in."""
    return [node for node in calls(model) if any(tensor is taken for taken in node.keras_inputs)]


def keeps_zero(layer: Any) -> bool:
    """Whether the activation of `layer` maps zero to zero."""
    activation = layer.call if isinstance(layer, ACTIVATIONS[1:]) else layer.activation
    return not np.any(activation(tf.zeros((1, 1))))


def clone(model: keras.Model, layer_of: Callable[[Any], Any] | None = None) -> keras.Model:
    """A copy of `model` with weights of its own; `layer_of`, where given, makes the copy of each layer."""
    copy = keras.models.clone_model(model, clone_function=layer_of)
    for layer in model.layers:
        copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def insert(model: keras.Model, after: Mapping[str, keras.layers.Layer]) -> keras.Model:
    """A model of the same layers, where `after[name]` stands behind the layer called `name`."""
    made = {id(tensor): tensor for tensor in model.inputs}
    for node in calls(model):
        taken = tf.nest.map_structure(
            lambda value, made=made: made.get(id(value), value), (node.call_args, node.call_kwargs)
        )
        result = node.layer(*taken[0], **taken[1])
        if node.layer.name in after:
            result = after[node.layer.name](result)
        made |= zip(map(id, outputs(node)), tf.nest.flatten(result), strict=True)
    return keras.Model(model.inputs, [made[id(tensor)] for tensor in model.outputs])


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


# Layers that hand each channel on by itself, multiplied by whatever mask from 0 to 1 their input was multiplied by.
CHANNELWISE = (
    keras.layers.MaxPooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.ZeroPadding2D,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
)


def passed_by_channels(model: keras.Model, layer: str) -> str:
    """The last layer that the channels of `layer` reach, each by itself, and scaled by whatever scales them."""
    tensor = outputs(call_of(model, layer))[0]
    while len(users := consumers(model, tensor)) == 1:
        user = users[0].layer
        passes = isinstance(user, CHANNELWISE) or (isinstance(user, ACTIVATIONS) and is_homogeneous(user))
        if not passes or len(user.inbound_nodes) > 1:
            break
        layer, tensor = user.name, outputs(users[0])[0]
    return layer


def is_homogeneous(layer: Any) -> bool:
    """Whether the activation of `layer` hands a factor of its input on: f(a·x) = a·f(x) for a ≥ 0."""
    if not isinstance(layer, ACTIVATIONS) and not hasattr(layer, "activation"):
        return False
    activation = layer.call if isinstance(layer, ACTIVATIONS[1:]) else layer.activation
    probe = tf.constant([[-64.0, -2.0, -0.5, 0.0, 0.5, 2.0, 64.0]])
    return bool(np.array_equal(activation(probe / 4), activation(probe) / 4))
