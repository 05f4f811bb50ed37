"""Architectures that Keras 3 described, put as Keras 2 puts them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fineprune.untrusted.accepted import AUGMENTATIONS, CONTAINERS, NOT_YET, SAFE

# Entries that Keras 2 does not know, and the values at which they make no difference. With another, it refuses them.
ADDED: Mapping[str, tuple[Any, ...]] = {
    "quantization_config": (None,),
    "lora_rank": (None,),
    "lora_alpha": (None,),
    "rms_scaling": (False,),
    "renorm": (False,),
    "renorm_clipping": (None,),
    "renorm_momentum": (0.99,),
    "pad_to_aspect_ratio": (False,),
    "fill_mode": ("constant",),
    "fill_value": (0.0,),
    "antialias": (False,),
}
CHANNELS_LAST_ALONE = {"CenterCrop", "Resizing", "ZeroPadding1D"}
RENAMED = {("InputLayer", "batch_shape"): "batch_input_shape", ("LeakyReLU", "negative_slope"): "alpha"}
# Of the same name, and another meaning.
CHANGED = {"hard_sigmoid", "RandomCrop"}
# What stands between two tensors, or a tensor and a constant, and TensorFlow's name for it.
ARITHMETIC = {
    "Add": "math.add",
    "Subtract": "math.subtract",
    "Multiply": "math.multiply",
    "Divide": "math.divide",
    "TrueDivide": "math.truediv",
    "Maximum": "math.maximum",
    "Minimum": "math.minimum",
}
APPLIED = {  # the same of what takes one tensor alone
    "Negative": "math.negative",
    "Relu": "nn.relu",
    "Relu6": "nn.relu6",
    "Sigmoid": "nn.sigmoid",
    "Silu": "nn.silu",
    "Tanh": "math.tanh",
}
ALONE = " of Keras 3"  # ends the name of what Keras 2 has not, or has with another meaning


def as_keras2(config: Any) -> Any:
    """The architecture `config` as it is or, where Keras 3 wrote it, as Keras 2 would have."""
    return _translated(config) if any(_is_input(part) for part in _objects(config)) else config


def _is_input(part: Mapping[str, Any]) -> bool:
    match part:
        case {"class_name": "InputLayer", "config": {"batch_shape": _}}:
            return True
    return False


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _objects(each)


def _translated(value: Any) -> Any:
    match value:
        case {"class_name": "DTypePolicy", "config": {"name": str(name)}}:
            return name
        case {"class_name": str(kind), "config": dict(settings)}:
            return _layer(kind, settings, value)
        case dict():
            return {key: _translated(each) for key, each in value.items()}
        case list():
            return [_translated(each) for each in value]
    return value


def _layer(kind: str, settings: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """What stands for one layer, or one part of it, in the list of a network's."""
    new: dict[str, Any] = {
        RENAMED.get((kind, key), key): _named(each) if key.endswith("activation") else _translated(each)
        for key, each in settings.items()
        if not _is_added(kind, key, each)
    }
    others = {key: each for key, each in entry.items() if key not in ("config", "build_config", "compile_config")}
    added = [] if kind in AUGMENTATIONS else [key for key in new if key in ADDED]
    for key in added:
        del new[key]
    if str(others.get("module") or "keras").split(".")[0] == "keras" and others.get("registered_name") in (None, kind):
        others = {key: each for key, each in others.items() if key not in ("module", "registered_name")}
    named = f"{kind} with {added[0]}{ALONE}" if added else _named(kind)
    translated = {**others, "class_name": named, "config": new}
    if isinstance(nodes := entry.get("inbound_nodes"), list):
        translated["inbound_nodes"] = [_node(node) for node in nodes]
        if nodes and all(map(_is_arithmetic, nodes)) and kind in ARITHMETIC:
            _make_arithmetic(translated, nodes)
        elif _is_operation(kind, settings):
            _make_function(translated)
    if kind in CONTAINERS:
        _renumber(new)
    return translated


def _named(value: Any) -> Any:
    return f"{value}{ALONE}" if isinstance(value, str) and value in CHANGED else _translated(value)


def _is_added(kind: str, key: str, value: Any) -> bool:
    if key == "data_format" and kind in CHANNELS_LAST_ALONE:
        return bool(value == "channels_last")
    return key in ADDED and value in ADDED[key]


def _node(node: Any) -> Any:
    """A call of a layer."""
    match node:
        case {"args": [first, *_], "kwargs": dict(kwargs)}:
            tensors = first if isinstance(first, list) else [first]
            # training=True is what some layers do by themselves there; in inference they are called without.
            usual = {"training": True}
            given = {
                key: _translated(each)
                for key, each in kwargs.items()
                if each is not None and each is not usual.get(key)
            }
            return [[*_history(tensor), given if place == 0 else {}] for place, tensor in enumerate(tensors)]
    return _translated(node)


def _history(tensor: Any) -> list[Any]:
    """Which call of which layer emits `tensor`."""
    match tensor:
        case {"class_name": "__keras_tensor__", "config": {"keras_history": [str(), int(), int()] as history}}:
            return list(history)
    return ["_CONSTANT_VALUE", -1, tensor]


def _is_arithmetic(node: Any) -> bool:
    match node:
        case {"args": [_, _]}:
            return True
    return False


def _make_arithmetic(layer: dict[str, Any], nodes: list[Any]) -> None:
    """Change the entry `layer` to that of Keras 2 for what stands between two values in its `nodes`."""
    both = [[_history(value) for value in node["args"]] for node in nodes]
    layer["config"]["function"] = ARITHMETIC[layer["class_name"]]
    layer["class_name"] = "TFOpLambda"
    layer["inbound_nodes"] = [[*x, {"y": y[2] if y[0] == "_CONSTANT_VALUE" else y}] for x, y in both]


def _is_operation(kind: str, settings: Mapping[str, Any]) -> bool:
    """Whether it is a function of Keras's, which HDF5 files name as they name layers; those say more of themselves."""
    is_layer = kind in SAFE | AUGMENTATIONS | NOT_YET and not settings.keys().isdisjoint({"trainable", "dtype"})
    return kind.isidentifier() and "trainable" not in settings and not is_layer


def _make_function(layer: dict[str, Any]) -> None:
    """Change the entry `layer`, of an operation, to that of Keras 2 or, where it has none, to a name that says so."""
    if function := APPLIED.get(layer["class_name"]):
        layer["config"]["function"] = function
        layer["inbound_nodes"] = [node[0] for node in layer["inbound_nodes"] if isinstance(node, list) and node]
    layer["class_name"] = "TFOpLambda" if function else f"keras.ops.{layer['class_name']}{ALONE}"


def _renumber(network: dict[str, Any]) -> None:
    """Count the calls of networks inside `network` as Keras 2 does: their own graph is the first."""
    inner, sequential = set(), set()
    layers = network["layers"] if isinstance(network.get("layers"), list) else []
    for layer in layers:
        match layer:
            case {"class_name": str(kind), "config": {"name": str(name)}} if kind in CONTAINERS:
                inner.add(name)
                # Where a network ends, Keras 3 counts the graph of the others itself.
                sequential |= {name} if kind == "Sequential" else set()
    for ends in ("input_layers", "output_layers"):
        match network.get(ends):
            case [str(), int(), int()] as single:
                network[ends] = [single]
    for layer in layers:
        if isinstance(layer, dict):
            _count_own_graph(layer.get("inbound_nodes"), inner)
    _count_own_graph(network.get("output_layers"), sequential)


def _count_own_graph(value: Any, names: set[str]) -> None:
    match value:
        case [str(name), int(), int(), *rest]:
            value[1] += name in names
            _count_own_graph(rest, names)
        case list():
            for each in value:
                _count_own_graph(each, names)
        case dict():
            for each in value.values():
                _count_own_graph(each, names)
