"""Where Keras stores the weights of each layer of an architecture: by its class, and how many of it came before.

Names of layers are not stored, since most are made up and differ from one program to the next.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from fineprune.untrusted.accepted import CONTAINERS
from fineprune.untrusted.keras_config import safe_name

LAYERS = "layers"
OLDER = "_layer_checkpoint_dependencies"  # what Keras 2.13 called it
METADATA, DATA = "keras_metadata.pb", "variables/variables.data-00000-of-00001"  # in the folder of a SavedModel
WRAPPED = "layer"  # where wrappers, as tfmot's, store their layer


def places(network: Mapping[str, Any], place: str = "") -> dict[str, str]:
    """The place of each layer of `network`, which was found safe, by its name: NETWORK/NAME inside a network."""
    number: Counter[str] = Counter()
    named: dict[str, str] = {}
    inside = network.get("config")
    for layer in inside.get("layers", []) if isinstance(inside, dict) else inside or []:
        kind = _snake_case(str(layer.get("class_name")))
        stored = f"{place}/{LAYERS}/{kind}" + (f"_{number[kind]}" if number[kind] else "")
        number[kind] += 1
        named |= _named(layer, stored)
    return named


def _named(layer: Mapping[str, Any], stored: str) -> dict[str, str]:
    """The place of `layer`, which is `stored`, or those of the layers inside it, by name."""
    match layer:
        case {"class_name": str(kind), "config": {"name": str(name)}} if kind in CONTAINERS:
            return {f"{safe_name(name)}/{inside}": place for inside, place in places(layer, stored).items()}
        case {"config": {"layer": {"config": {"name": str(name)}}}}:
            return {safe_name(name): f"{stored}/{WRAPPED}"}
        case {"config": {"name": str(name)}}:
            return {safe_name(name): stored}
    return {}


def _snake_case(kind: str) -> str:
    """As Keras does it: conv2d, re_lu, p_re_lu, batch_normalization."""
    kind = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", kind).lower()
