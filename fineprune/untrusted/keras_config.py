"""The architecture of a network, as JSON from a stranger: read, and made safe to hand to Keras."""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fineprune.errors import ModelError, line
from fineprune.untrusted import equivalents, keras3, limits
from fineprune.untrusted.accepted import FUNCTIONS, NOT_YET, SAFE
from fineprune.untrusted.saved import two_nets

Shape = tuple[int, int, int]  # of an image: height, width, channels

NAMED = ("activation", "_regularizer", "_constraint")
ARCHITECTURE = "/architecture"  # what it is called among the arrays of a file; no layer's name begins so
NUMBERS = {"float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16"}
RESERVED = {"", ".", "..", "top_level_model_weights"}  # which Keras, or HDF5, would take for something else
LONGEST = 200
MOST = {"calls": limits.CALLS, "inputs": limits.INPUTS, "settings": limits.SETTINGS}
LARGEST = 3.4028234663852886e38  # of single precision


class Passes(list[Any]):
    """A list that may be iterated over `left` times, and not after the time `until`.

    Keras loops forever over layers that wait for each other, and for hours over some that do not.
    """

    left, until = 0, math.inf

    def __iter__(self) -> Iterator[Any]:
        self.left -= 1
        if self.left < 0:
            raise ValueError("layers that wait for each other, or for none")
        for each in super().__iter__():
            if time.monotonic() > self.until:
                raise ValueError(f"layers that take more than {limits.SECONDS_TO_BUILD} seconds")
            yield each


def parse(text: Any, path: Any, batch: int | None = None, shape: Shape | None = None) -> dict[str, Any]:
    """The architecture in the file `path`, with nothing in it that carries code, or is larger than `limits` says.

    It takes `batch` images at once, or any number, of `shape` where it says of no size, and computes in single
    precision. Names are safe ones. All initialisers are zeros: the weights come from the file, and drawing them can
    take longer than anything else.
    """
    stored = two_nets.side_by_side(_json(text, path))
    list(_parts(stored, path))  # not too deep for what follows
    calls = _totals(stored)["calls"]
    _check_most(Counter(calls=calls), path)
    translated = equivalents.for_inference(equivalents.as_layers(equivalents.unwrapped(keras3.as_keras2(stored))))
    config: dict[str, Any] = _with_safe_names(equivalents.with_activations_apart(translated))
    parts = list(_parts(config, path))
    _check_names(parts, path)
    if any(part.get("training") not in (None, False) for part in parts):
        raise ModelError(
            f"expected layers that are called as in inference in {path}, got one with training=True, whose scores for "
            "an image change from call to call: save the network without it"
        )
    _check_most(_totals(config), path)
    until = time.monotonic() + limits.SECONDS_TO_BUILD
    for part in parts:
        _check_computes_in_floats(part, path)
        _settle(part, batch)
        if isinstance(part.get("layers"), list):
            part["layers"] = Passes(part["layers"])
            # One to make the layers, two for each call, for its activation may be one too, and some that Keras adds.
            part["layers"].left = 4 * calls + 16
            part["layers"].until = until
    if shape is not None:
        _take_images_of(shape, config)
    return config


def _take_images_of(shape: Shape, config: dict[str, Any]) -> None:
    """Set the size of the images that the outermost network takes, where any will do."""
    inside = config.get("config")
    layers = inside.get("layers") if isinstance(inside, dict) else inside
    entries = [layer.get("config") for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    of_others = [entry for entry in entries if isinstance(entry, dict) and "layers" not in entry]
    for settings in [*([inside] if isinstance(inside, dict) else []), *of_others]:
        for key in ("batch_input_shape", "build_input_shape"):
            match settings.get(key):
                case [batch, height, width, int(channels)]:
                    settings[key] = [batch, height or shape[0], width or shape[1], channels]
                case [batch, int(channels), height, width]:
                    settings[key] = [batch, channels, height or shape[0], width or shape[1]]


def _settle(part: dict[str, Any], batch: int | None) -> None:
    """Set what an object in a config may not choose: how many images come at once, initial weights, and precision."""
    part |= {key: "zeros" for key in part if key.endswith("_initializer")}
    if "name" in part:  # of the settings of a layer
        part.pop("batch_size", None)
        part.pop("weights", None)
        if isinstance(shape := part.pop("input_shape", None), list):
            part["batch_input_shape"] = [batch, *shape]
    for key in ("batch_input_shape", "build_input_shape"):
        if isinstance(shape := part.get(key), list):
            shape[:1] = [batch]
    if part.get("dtype") is not None:
        part["dtype"] = "float32"


def _check_computes_in_floats(part: dict[str, Any], path: Any) -> None:
    match part:
        case {"class_name": "InputLayer", "config": dict(settings)}:
            settings.pop("dtype", None)  # images are given as floats, whatever they once were
        case {"dtype": {"class_name": "Policy", "config": {"name": str(name)}}} | {"dtype": str(name)}:
            if name not in NUMBERS:
                raise ModelError(
                    f"expected layers that compute in floats in {path}, got one that does in {line(name)}: not loaded"
                )


def safe_name(name: str) -> str:
    """`name`, of a layer or a network, as it can stand in graphs, HDF5 files, tables and on terminals."""
    plain = re.sub(r"[^\w.-]", "_", name[:LONGEST], flags=re.ASCII)
    return f"layer_{plain}" if plain in RESERVED or plain[0] in "_-" else plain


def _with_safe_names(value: Any) -> Any:
    """The same config, with safe names of networks and layers, also where these are referred to."""
    match value:
        case ["_CONSTANT_VALUE", *_]:
            return value
        case [str(name), int(), int(), *rest]:
            return [safe_name(name), *value[1:3], *map(_with_safe_names, rest)]
        case dict():
            return {
                key: safe_name(each) if key == "name" and isinstance(each, str) else _with_safe_names(each)
                for key, each in value.items()
            }
        case list():
            return [_with_safe_names(each) for each in value]
    return value


def _json(text: Any, path: Any) -> dict[str, Any]:
    if isinstance(text, str | bytes) and len(text) > limits.CONFIG_BYTES:
        raise ModelError(
            f"expected an architecture of at most {limits.CONFIG_BYTES:,} bytes in {path}, got {len(text):,}: "
            "not loaded"
        )
    try:
        config = json.loads(text, parse_float=_single, object_hook=_without_training)
    except (ValueError, TypeError, RecursionError) as reason:
        raise ModelError(
            f"expected the architecture in {path} to be JSON, got: {line(reason)}: save the network again"
        ) from reason
    if not isinstance(config, dict):
        raise ModelError(
            f"expected the architecture in {path} to be that of a network, got {line(config)}: save the network again"
        )
    return config


def _without_training(part: dict[str, Any]) -> dict[str, Any]:
    """`part` of a config without what it was compiled for: optimisers and losses, which are not made here."""
    return {key: value for key, value in part.items() if key != "compile_config"}


def _single(text: str) -> float:
    """The number; raises ValueError where single precision, in which Keras keeps it, would make it infinite."""
    value = float(text)
    if abs(value) > LARGEST:
        raise ValueError(f"{text}, which single precision cannot hold")
    return value


def _parts(config: Any, path: Any) -> Iterator[dict[str, Any]]:
    """Every object in a config, at any depth."""
    level = [config]
    for _ in range(limits.CONFIG_DEPTH):
        yield from (part for part in level if isinstance(part, dict))
        inside = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)]
        level = [part for parts in inside for part in parts]
    if level:
        raise ModelError(
            f"expected an architecture at most {limits.CONFIG_DEPTH} levels deep in {path}, got more: not loaded"
        )


def _check_names(parts: list[dict[str, Any]], path: Any) -> None:
    unsafe = {name for part in parts for name in _names(part) - SAFE}
    if unknown := sorted(name for name in unsafe - NOT_YET if not name.endswith((" as an activation", keras3.ALONE))):
        raise ModelError(
            f"expected only Keras's own layers that carry no code in {path}, got '{line(unknown[0])}': not loaded, "
            "since building it could run what a stranger wrote"
        )
    if unsafe:
        raise ModelError(
            f"expected only layers that can be read in {path}, got '{line(min(unsafe))}': not loaded, since this "
            "one of Keras's is not supported yet: build the network without it, and give it the same weights"
        )


def _names(part: dict[str, Any]) -> set[str]:
    """The classes, modules and functions that an object in a config names, Keras's safe functions excepted."""
    names = {str(part[key]) for key in ("class_name", "registered_name") if part.get(key) is not None}
    match part:
        case {"class_name": "TFOpLambda", "config": {"function": function}}:
            names = {f"tf.{function}"}
    match part:
        case {"activation": {"class_name": str(kind)}} if kind in SAFE:
            names.add(f"{kind} as an activation")
    module = str(part.get("module") or "keras")
    if module.split(".")[0] not in ("keras", "tf_keras"):
        names.add(module)
    named = {str(value) for key, value in part.items() if key.endswith(NAMED) and isinstance(value, str)}
    return names | (named - FUNCTIONS)


def _inputs(nodes: Any) -> int:
    """How many tensors and constants the calls of a layer take in."""
    if not isinstance(nodes, list):
        return 1
    return sum(len(node) if isinstance(node, list) else 1 for node in nodes)


def _totals(config: Any) -> Counter[str]:
    """The calls of layers when the network is called, what these take in, and the numbers in their settings.

    What is inside its networks counts each time that they are called: TensorFlow makes constants of numbers anew then.
    """
    inside = config.get("config") if isinstance(config, dict) else None
    layers = inside.get("layers") if isinstance(inside, dict) else inside
    if not isinstance(layers, list):
        return Counter(calls=1, settings=_values(inside))
    total: Counter[str] = Counter()
    for layer in layers:
        nodes = layer.get("inbound_nodes") if isinstance(layer, dict) else None
        times = max(1, len(nodes) if isinstance(nodes, list) else 1)
        total.update({what: times * count for what, count in _totals(layer).items()})
        total.update(inputs=_inputs(nodes), settings=_values(nodes))
    return total


def _values(config: Any) -> int:
    """How many numbers and texts there are in a config, at any depth."""
    count, level = 0, [config]
    while level:
        inside = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)]
        count += len(level) - len(inside)
        level = [part for parts in inside for part in parts]
    return count


def _check_most(totals: Counter[str], path: Any) -> None:
    for what, count in totals.items():
        if count > MOST[what]:
            raise ModelError(f"expected at most {MOST[what]:,} {what} of layers in {path}, got {count:,}: not loaded")
