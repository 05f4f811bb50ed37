"""Networks whose channels come first, which TensorFlow runs on some CPUs alone, put as those whose channels come last.

No weight changes, since kernels are stored alike: only settings do, and a flattening gets the order that it had.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fineprune.errors import ModelError, line

if TYPE_CHECKING:
    import tf_keras as keras

FIRST, LAST = "channels_first", "channels_last"
PLACES = {1: 3, 2: 1, 3: 2}  # from the axes (n, channels, height, width) to (n, height, width, channels)
BY_FORMAT = set(
    """
    Conv2D Conv2DTranspose DepthwiseConv2D SeparableConv2D MaxPooling2D AveragePooling2D GlobalMaxPooling2D
    GlobalAveragePooling2D ZeroPadding2D Cropping2D UpSampling2D Flatten
    """.split()
)
BY_AXIS = {"BatchNormalization", "Concatenate", "GroupNormalization", "LayerNormalization", "Softmax"}
EITHER_WAY = set(
    """
    Activation Identity ReLU LeakyReLU ELU ThresholdedReLU Dropout SpatialDropout2D GaussianNoise GaussianDropout
    AlphaDropout ActivityRegularization Add Subtract Multiply Average Maximum Minimum
    """.split()
)  # of SpatialDropout2D tf_keras does not store where channels are
ACTIVATIONS = set(
    """
    linear relu relu6 leaky_relu elu selu gelu sigmoid hard_sigmoid tanh swish silu mish softplus softsign exponential
    """.split()
)


def come_first(config: Any) -> bool:
    """Whether channels come first in a layer of an architecture; flattening alone is no sign of it."""
    match config:
        case {"class_name": kind, "config": {"data_format": "channels_first"}} if kind in BY_FORMAT - {"Flatten"}:
            return True
        case dict():
            return any(map(come_first, config.values()))
        case list():  # of layers, it counts how often it is iterated over
            return any(come_first(config[place]) for place in range(len(config)))
    return False


def put_last(model: keras.Model, path: Any) -> dict[str, Any]:
    """The architecture of `model`, a functional one, with its channels last.

    Raises ModelError, which names `path`, over a layer that cannot be turned.
    """
    settings = model.get_config()
    turned = [_turned(entry, model.get_layer(entry["name"]), path) for entry in settings["layers"]]
    return {"class_name": "Functional", "config": settings | {"layers": [entry for each in turned for entry in each]}}


def _turned(entry: dict[str, Any], layer: Any, path: Any) -> Iterator[dict[str, Any]]:
    """The entry of `layer` in an architecture, turned, and of a flattening what has to come before it."""
    kind, settings = entry["class_name"], entry["config"]
    if kind == "InputLayer" and len(settings["batch_input_shape"]) == 4:
        count, channels, *size = settings["batch_input_shape"]
        settings["batch_input_shape"] = (count, *size, channels)
    elif 4 in (ranks := _ranks(layer)):
        if kind == "Flatten" and settings["data_format"] == LAST:
            yield _in_old_order(entry)
        elif kind in BY_FORMAT and settings["data_format"] == FIRST and _of_each_value(settings):
            settings["data_format"] = LAST
        elif kind in BY_AXIS and len(axes := _listed(settings["axis"])) == 1 and axes[0] % 4:
            settings["axis"] = PLACES[axes[0] % 4]
        elif not _is_either_way(kind, settings) or ranks != {4}:
            raise ModelError(
                f"expected a network whose channels come first in {path} to be of layers that can be turned, got "
                f"'{line(layer.name)}' of type {line(kind)}: build it with data_format='channels_last', and give it "
                "the same weights, those of a dense layer behind a flattening in the order of its rows"
            )
    yield entry


def _is_either_way(kind: str, settings: dict[str, Any]) -> bool:
    single = kind == "Rescaling" and not {type(settings["scale"]), type(settings["offset"])} - {int, float}
    return single or (kind in EITHER_WAY and _of_each_value(settings))


def _of_each_value(settings: dict[str, Any]) -> bool:
    """Whether the activation of a layer, if any, looks at each value by itself; softmax looks along the last axis."""
    match settings.get("activation"):
        case {"class_name": kind}:
            return kind in EITHER_WAY
        case str(name):
            return name in ACTIVATIONS
    return True


def _ranks(layer: Any) -> set[int]:
    """How many axes the tensors have that `layer` takes in and emits; of one that ends the maps, only what it takes."""
    taken = {len(tensor.shape) for node in layer._inbound_nodes for tensor in _listed(node.input_tensors)}
    emitted = {len(tensor.shape) for node in layer._inbound_nodes for tensor in _listed(node.outputs)}
    return taken if type(layer).__name__ in BY_FORMAT else taken | emitted


def _listed(nest: Any) -> list[Any]:
    """What a layer may have one or several of."""
    return list(nest) if isinstance(nest, list | tuple) else [nest]


def _in_old_order(entry: dict[str, Any]) -> dict[str, Any]:
    """What brings values into the order that the flattening of `entry` had them in; `entry` then takes them from it."""
    name, nodes = f"{entry['name']}_order", entry["inbound_nodes"]
    entry["inbound_nodes"] = [[[name, number, 0, {}]] for number in range(len(nodes))]
    return {"class_name": "Permute", "name": name, "config": {"name": name, "dims": [3, 1, 2]}, "inbound_nodes": nodes}
