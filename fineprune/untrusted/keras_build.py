"""From an architecture to a Keras model, measured before any memory is taken for it."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
import tf_keras as keras

from fineprune.errors import ModelError, line, some
from fineprune.untrusted import limits
from fineprune.untrusted.keras_config import safe_name
from fineprune.untrusted.saved import channels

MOST = {
    "parameters": limits.PARAMETERS,
    "values an image in a tensor": limits.ACTIVATION,
    "multiplications an image": limits.MULTIPLICATIONS,
}


def sketch(config: dict[str, Any], path: Any, output: str | None = None) -> keras.Model:
    """The shapes of the network, whose `config` is for one image at a time, without memory for its weights.

    `output` names one of its outputs, where it has several. Raises ModelError where Keras cannot build it, where it is
    no classifier of images, or is larger than `limits` says.
    """
    with tf.Graph().as_default() as graph:
        model = classifier(_channels_last(config, path), path, output)
    _check_images_apart(model, 1, path)
    operations = _of_image(graph)
    measured = {
        "parameters": sum(math.prod(variable.shape) for variable in model.weights),
        "values an image in a tensor": max(map(_values, operations)),
        "multiplications an image": sum(map(_multiplications, operations)),
    }
    for what, count in measured.items():
        if count > MOST[what]:
            raise ModelError(f"expected at most {MOST[what]:,} {what} in {path}, got {count:,}: not loaded")
    return model


def build(config: dict[str, Any], path: Any, output: str | None = None) -> keras.Model:
    """The network, its weights zero, once it has classified two images; raises ModelError where it cannot."""
    model = classifier(_channels_last(config, path), path, output)
    _check_images_apart(model, None, path)
    try:
        rows = len(model(tf.zeros((2, *model.input_shape[1:])), training=False))
    except Exception as reason:  # TensorFlow's, over what it cannot compute on this machine
        raise ModelError(
            f"expected a network in {path} that runs on this machine, got: {line(reason)}: save it channels last"
        ) from reason
    if rows != 2:
        raise ModelError(f"expected scores for each of 2 images from the network in {path}, got {rows}: not loaded")
    return model


def _channels_last(config: dict[str, Any], path: Any) -> keras.Model:
    """The network of `config`, with its channels last."""
    if not channels.come_first(config):
        return _from_config(config, path)
    with tf.Graph().as_default():  # which takes no memory for weights
        model = _from_config(config, path)
        if not getattr(model, "inputs", None):
            return classifier(model, path)  # which says what it lacks
        turned = channels.put_last(keras.Model(model.inputs, model.outputs, name=model.name), path)
    return _from_config(turned, path)


def _from_config(config: dict[str, Any], path: Any) -> keras.Model:
    try:
        return keras.models.model_from_config(config)
    except Exception as reason:  # Keras raises almost any type over a wrong config
        raise ModelError(
            f"expected an architecture that Keras 2 can build in {path}, got: {line(reason)}: save it with Keras 2 anew"
        ) from reason


def classifier(model: Any, path: Any, output: str | None = None) -> keras.Model:
    """`model` as a functional one, of one output.

    Raises ModelError, which names `path`, unless it classifies images.
    """
    inputs, outputs = (tf.nest.flatten(getattr(model, tensors, None) or []) for tensors in ("inputs", "outputs"))
    if len(outputs) > 1 or output is not None:
        outputs = [_chosen(dict(zip(getattr(model, "output_names", []), outputs, strict=False)), path, output)]
    shapes = [[tuple(tensor.shape) for tensor in tensors] for tensors in (inputs, outputs)]
    match shapes:
        case [[(_, int(), int(), int())], [(_, 1)]] if _ends_in_sigmoid(model):
            raise ModelError(
                f"expected a score for each class from the network in {path}, got one score, as a sigmoid's for two "
                "classes, which is not supported: give it a layer of two outputs, 1 − p and p"
            )
        case [[(_, None, *_)] | [(_, _, None, _)], _]:
            raise ModelError(
                f"expected the size of the images that the network in {path} takes, got one for images of any size, "
                f"{line(shapes[0][0][1:])}: give images, or set 'image=[HEIGHT,WIDTH,CHANNELS]' to convert it"
            )
        case [[(_, int(), int(), int())], [(_, int())]]:
            single = keras.Model(inputs, outputs, name=model.name)
            _check_can_be_pruned(single, path)
            return single
    raise ModelError(
        f"expected a network from images (n, height, width, channels) to classes (n, classes) in {path}, "
        f"got {line(shapes[0] or 'no shape')} to {line(shapes[1] or 'no shape')}: give one that classifies images"
    )


def _chosen(outputs: dict[str, Any], path: Any, output: str | None) -> Any:
    """The one of `outputs` that is named so; raises ModelError where there is none."""
    name = None if output is None else safe_name(output)
    if name not in outputs:
        raise ModelError(
            f"expected the name of one output of the network in {path}, of {line(some(outputs))}, got "
            f"{'none' if output is None else repr(output)}: set badnet.output=NAME"
        )
    return outputs[name]


def _ends_in_sigmoid(model: Any) -> bool:
    return getattr(model.layers[-1], "activation", None) is keras.activations.sigmoid


def _check_can_be_pruned(model: Any, path: Any) -> None:
    """Raise ModelError where `model` has no weights, or a batch normalisation over something else than channels."""
    if not model.weights:
        raise ModelError(f"expected a network with weights in {path}, got one without: give one that was trained")
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization) and list(layer.axis) != [layer.input_spec.ndim - 1]:
            raise ModelError(
                f"expected batch normalisations over channels, the last axis, in {path}, got '{line(layer.name)}' "
                f"over axis {line(list(layer.axis))}: give a network that is channels last"
            )


def _check_images_apart(model: keras.Model, batch: int | None, path: Any) -> None:
    """Raise ModelError where a layer emits something else than one thing for each of `batch` images, or mixes them.

    Where that number is unknown, it finds the layers that emit always one; where it is 1, those that emit several.
    """
    for layer in model._flatten_layers(include_self=False):
        axes = [axis for axis in tf.nest.flatten(getattr(layer, "axis", [])) if isinstance(axis, int)]
        for tensor in tf.nest.flatten([node.outputs for node in layer._inbound_nodes]):
            shape = tuple(tensor.shape)
            if shape[:1] != (batch,) or any(axis in (0, -len(shape)) for axis in axes):
                raise ModelError(
                    f"expected layers that treat each image by itself in {path}, got '{line(layer.name)}' that emits "
                    f"{shape} of {batch or 'any number of'} images: not loaded"
                )


def _of_image(graph: tf.Graph) -> list[tf.Operation]:
    """The operations whose outputs depend on the image, each after those that it depends on."""
    names: set[str] = set()
    for operation in graph.get_operations():
        if operation.type == "Placeholder" or any(tensor.op.name in names for tensor in operation.inputs):
            names.add(operation.name)
    return [operation for operation in graph.get_operations() if operation.name in names]


def _values(operation: tf.Operation) -> int:
    """The values in the largest output of an operation."""
    shapes = [tensor.shape for tensor in operation.outputs if tensor.shape.rank is not None]
    return max((math.prod(size or 1 for size in shape) for shape in shapes), default=0)


def _multiplications(operation: tf.Operation) -> int:
    """About how many multiplications it takes."""
    values, per_value = _values(operation), 0
    if operation.type in ("Conv2D", "MatMul"):
        per_value = math.prod(operation.inputs[1].shape[:-1])
    elif operation.type == "DepthwiseConv2dNative":
        per_value = math.prod(operation.inputs[1].shape[:2])
    elif operation.type == "Conv2DBackpropInput":  # a transposed convolution, whose kernel meets each value taken in
        values, per_value = _values(operation.inputs[2].op), math.prod(operation.inputs[1].shape[:3])
    elif operation.type in ("MaxPool", "AvgPool"):
        per_value = math.prod(operation.get_attr("ksize"))
    return int(per_value) * values
