"""From an architecture to a Keras model, measured before any memory is taken for it."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import tf_keras as keras

from fineprune import limits
from fineprune.errors import ModelError, line

MOST = {
    "parameters": limits.PARAMETERS,
    "values an image in a tensor": limits.ACTIVATION,
    "multiplications an image": limits.MULTIPLICATIONS,
}


def sketch(config: dict[str, Any], path: Any) -> keras.Model:
    """The network without memory for its weights, to read shapes from.

    Raises ModelError where Keras cannot build it, where it is no classifier of images, or is larger than `limits` says.
    """
    with tf.Graph().as_default() as graph:
        model = _classifier(_built(config, path), path)
    measured = {
        "parameters": sum(math.prod(variable.shape) for variable in model.weights),
        "values an image in a tensor": max(map(_values, graph.get_operations())),
        "multiplications an image": sum(map(_multiplications, graph.get_operations())),
    }
    for what, count in measured.items():
        if count > MOST[what]:
            raise ModelError(f"expected at most {MOST[what]:,} {what} in {path}, got {count:,}: not loaded")
    return model


def build(config: dict[str, Any], path: Any) -> keras.Model:
    """The network, its weights zero, once it has classified one image; raises ModelError where it cannot."""
    model = _classifier(_built(config, path), path)
    try:
        model(tf.zeros((1, *model.input_shape[1:])), training=False)
    except Exception as reason:  # TensorFlow's, over what it cannot compute on this machine
        raise ModelError(
            f"expected a network in {path} that runs on this machine, got: {line(reason)}: save it channels last"
        ) from reason
    return model


def _built(config: dict[str, Any], path: Any) -> keras.Model:
    try:
        return keras.models.model_from_config(config)
    except Exception as reason:  # Keras raises almost any type over a wrong config
        raise ModelError(
            f"expected an architecture that Keras 2 can build in {path}, got: {line(reason)}: save it with Keras 2 anew"
        ) from reason


def _classifier(model: Any, path: Any) -> keras.Model:
    shapes = [
        [tuple(tensor.shape) for tensor in tf.nest.flatten(getattr(model, tensors, None) or [])]
        for tensors in ("inputs", "outputs")
    ]
    match shapes:
        case [[(_, int(), int(), int())], [(_, int())]]:
            return keras.Model(model.inputs, model.outputs, name=model.name)
    raise ModelError(
        f"expected a network from images (n, height, width, channels) to classes (n, classes) in {path}, "
        f"got {line(shapes[0] or 'no shape')} to {line(shapes[1] or 'no shape')}: give one that classifies images"
    )


def _values(operation: tf.Operation) -> int:
    """The size of the largest tensor that an operation makes, as values an image; 0 where it makes none of images."""
    shapes = [tensor.shape for tensor in operation.outputs if tensor.shape.rank]
    return max((math.prod(size or 1 for size in shape[1:]) for shape in shapes if shape[0] is None), default=0)


def _multiplications(operation: tf.Operation) -> int:
    """About how many multiplications an image takes."""
    if operation.type in ("Conv2D", "MatMul"):
        each = math.prod(operation.inputs[1].shape[:-1])
    elif operation.type == "DepthwiseConv2dNative":
        each = math.prod(operation.inputs[1].shape[:2])
    elif operation.type in ("MaxPool", "AvgPool"):
        each = math.prod(operation.get_attr("ksize"))
    else:
        return 0
    return int(each) * _values(operation)
