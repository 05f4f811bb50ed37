"""What stands in a network beside Keras's own layers, read as layers of Keras's own that do the same in inference.

Arithmetic, such as x / 127.5 - 1, is stored as a layer that calls a function of TensorFlow by name: any function, also
one that writes files. tensorflow-model-optimization wraps layers to make them sparse. Augmentations do nothing. A layer
can be the activation of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from fineprune.untrusted.accepted import AUGMENTATIONS

PREFIX = "prune_low_magnitude_"  # what tfmot puts before the names of the layers that it wraps
OWN = ("mask", "threshold", "pruning_step")  # the weights that it adds to theirs

Constant = float | list[float]

MERGED = {
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.subtract": "Subtract",
    "math.multiply": "Multiply",
    "math.maximum": "Maximum",
    "math.minimum": "Minimum",
}
ACTIVATIONS = {
    "nn.relu": "relu",
    "nn.relu6": "relu6",
    "nn.softmax": "softmax",
    "math.sigmoid": "sigmoid",
    "nn.sigmoid": "sigmoid",
    "math.tanh": "tanh",
    "nn.tanh": "tanh",
    "nn.swish": "swish",
    "nn.silu": "swish",
}
# Layers that stand in the place of a function as the activation of others, and have no weights.
ALONE = {"Activation", "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU", "Softmax"}
SUMS = {"__operators__.add", "math.add", "nn.bias_add"}
QUOTIENTS = {"math.truediv", "math.divide"}


def unwrapped(value: Any) -> Any:
    """The same config, with the layers inside of wrappers in their place, and under their own names."""
    match value:
        case {"class_name": "PruneLowMagnitude", "config": {"layer": {"config": dict(settings)} as inner, **others}}:
            kept = {key: others[key] for key in ("batch_input_shape",) if key in others}
            outside = {"name": settings.get("name"), "inbound_nodes": value.get("inbound_nodes")}
            outside = {key: unwrapped(each) for key, each in outside.items() if key in value}
            return {**unwrapped(inner), "config": {**kept, **unwrapped(settings)}, **outside}
        case [str(name), int(), int(), *rest] if name.startswith(PREFIX):
            return [name.removeprefix(PREFIX), *value[1:3], *map(unwrapped, rest)]
        case dict():
            return {key: unwrapped(each) for key, each in value.items()}
        case list():
            return [unwrapped(each) for each in value]
    return value


def for_inference(value: Any) -> Any:
    """The same config, with what augmentations do in inference in their place."""
    match value:
        case {"class_name": "RandomCrop", "config": {"height": height, "width": width} as settings}:
            size = {"height": height, "width": width, "crop_to_aspect_ratio": True}
            return _instead(value, settings, "Resizing", size)
        case {"class_name": str(kind), "config": dict(settings)} if kind in AUGMENTATIONS:
            return _instead(value, settings, "Activation", {"activation": "linear"})
        case dict():
            return {key: for_inference(each) for key, each in value.items()}
        case list():
            return [for_inference(each) for each in value]
    return value


def _instead(entry: dict[str, Any], settings: dict[str, Any], kind: str, new: dict[str, Any]) -> dict[str, Any]:
    """The entry of a layer of another `kind` with the settings `new`, in the place of `entry`."""
    place = {key: entry[key] for key in ("name", "inbound_nodes") if key in entry}
    kept = {key: settings[key] for key in ("name", "dtype", "batch_input_shape") if key in settings}
    return place | {"class_name": kind, "config": kept | new}


def with_activations_apart(value: Any) -> Any:
    """The same config, with layers that are the activations of others right behind these."""
    match value:
        case {"layers": list(inner)}:
            layers = [with_activations_apart(each) for each in inner]
            behind = {name: f"{name}_activation" for name in map(_with_layer_as_activation, layers) if name is not None}
            new = {key: _redirected(each, behind) for key, each in value.items() if key != "layers"}
            return new | {"layers": [each for layer in layers for each in _apart(layer, behind)]}
        case dict():
            return {key: with_activations_apart(each) for key, each in value.items()}
        case list():
            return [with_activations_apart(each) for each in value]
    return value


def _with_layer_as_activation(layer: Any) -> str | None:
    """The name of `layer` if its activation is a layer that can stand alone."""
    match layer:
        case {"config": {"name": str(name), "activation": {"class_name": kind, "config": dict()}}} if kind in ALONE:
            return name
    return None


def _apart(layer: Any, behind: Mapping[str, str]) -> Iterator[Any]:
    """`layer`, called with what stands `behind` others, and its activation where that is a layer."""
    name = _with_layer_as_activation(layer)
    kept = dict(layer) if isinstance(layer, dict) else layer
    if isinstance(kept, dict) and "inbound_nodes" in kept:
        kept["inbound_nodes"] = _redirected(kept["inbound_nodes"], behind)
    if name is None:
        yield kept
        return
    activation, own = kept["config"]["activation"], {"name": behind[name]}
    yield kept | {"config": kept["config"] | {"activation": "linear"}}
    nodes = kept.get("inbound_nodes")
    calls = {"inbound_nodes": [[[name, call, 0, {}]] for call in range(len(nodes))]} if isinstance(nodes, list) else {}
    yield {"class_name": activation["class_name"], "config": activation["config"] | own, **own, **calls}


def _redirected(value: Any, names: Mapping[str, str]) -> Any:
    """The same references to layers, with other `names`."""
    match value:
        case [str(name), int(), int(), *rest]:
            return [names.get(name, name), *value[1:3], *(_redirected(each, names) for each in rest)]
        case dict():
            return {key: _redirected(each, names) for key, each in value.items()}
        case list():
            return [_redirected(each, names) for each in value]
    return value


def as_layers(value: Any) -> Any:
    """The same config, with layers in the place of the operations that have an equal among them."""
    match value:
        case {
            "class_name": "TFOpLambda",
            "config": {"name": str(name), "function": str(function), **settings},
            "inbound_nodes": [[_, _, _, *_] as node],
        } if layer := _layer(function, *_operands(node)):
            kind, new, tensors = layer
            kept = {"name": name} | ({"dtype": settings["dtype"]} if "dtype" in settings else {})
            nodes = [[[*tensor, {}] for tensor in tensors]]
            return {"class_name": kind, "name": name, "config": kept | new, "inbound_nodes": nodes}
        case dict():
            return {key: as_layers(each) for key, each in value.items()}
        case list():
            return [as_layers(each) for each in value]
    return value


def _operands(node: list[Any]) -> tuple[Any, Any]:
    """What an operation is called with: tensors, each by the call that emits it, and constants."""
    first = node[2] if node[0] == "_CONSTANT_VALUE" else node[:3]
    match node[3:]:
        case [{"y": second}] | [{"bias": second}]:
            return first, second
    return first, None


def _layer(function: str, first: Any, second: Any) -> tuple[str, dict[str, Any], list[Any]] | None:
    """The class of a layer that computes the same, its settings and the tensors that it takes; None without equal."""
    if _is_tensor(first) and second is None:
        if function == "math.negative":
            return "Rescaling", {"scale": -1.0}, [first]
        return ("Activation", {"activation": ACTIVATIONS[function]}, [first]) if function in ACTIVATIONS else None
    if _is_tensor(first) and _is_tensor(second):
        return (MERGED[function], {}, [first, second]) if function in MERGED else None
    if _is_tensor(first) and _is_constant(second):
        return _with_constant(function, first, second)
    if _is_constant(first) and _is_tensor(second):
        if function == "math.subtract":
            return "Rescaling", {"scale": -1.0, "offset": first}, [second]
        return _with_constant(function, second, first) if function in SUMS | {"math.multiply"} else None
    return None


def _with_constant(function: str, tensor: Any, constant: Constant) -> tuple[str, dict[str, Any], list[Any]] | None:
    if function in SUMS:
        return "Rescaling", {"scale": 1.0, "offset": constant}, [tensor]
    if function == "math.subtract":
        return "Rescaling", {"scale": 1.0, "offset": _each(lambda value: -value, constant)}, [tensor]
    if function == "math.multiply":
        return "Rescaling", {"scale": constant}, [tensor]
    if function in QUOTIENTS and np.all(constant):
        return "Rescaling", {"scale": _each(lambda value: 1 / value, constant)}, [tensor]
    return None


def _each(call: Callable[[float], float], constant: Constant) -> Constant:
    return [call(value) for value in constant] if isinstance(constant, list) else call(constant)


def _is_tensor(value: Any) -> bool:
    match value:
        case [str(), int(), int()]:
            return True
    return False


def _is_constant(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(isinstance(each, int | float) and not isinstance(each, bool) for each in values)
