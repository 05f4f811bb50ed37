"""A GoodNet as fineprune saves it: two networks, and functions of TensorFlow that compare them, which are left out."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from fineprune.errors import ModelError

if TYPE_CHECKING:
    import tf_keras as keras

GOODNET, BADNET, PRUNED, BOTH = "goodnet", "badnet", "pruned", "both"


def side_by_side(config: dict[str, Any]) -> dict[str, Any]:
    """The same config; of a GoodNet, its two networks alone, the scores of the second behind those of the first."""
    match config:
        case {
            "class_name": "Functional",
            "config": {
                "name": "goodnet",
                "layers": [
                    {"class_name": "InputLayer"} as images,
                    {"class_name": "Functional", "name": "badnet"} as badnet,
                    {"class_name": "Functional", "name": "pruned"} as pruned,
                    *_,
                ],
            } as settings,
        }:
            calls = [[[net, 1, 0, {}] for net in (BADNET, PRUNED)]]  # 0 is what a network is called with as it is made
            both = {"class_name": "Concatenate", "config": {"name": BOTH}, "name": BOTH, "inbound_nodes": calls}
            inside = {"layers": [images, badnet, pruned, both], "output_layers": [[BOTH, 0, 0]]}
            return config | {"config": settings | inside}
    return config


def apart(model: keras.Model) -> list[keras.Model]:
    """The BadNet and the pruned net if `model` is a GoodNet's two networks side by side; else `model` alone."""
    if model.name == GOODNET and [layer.name for layer in model.layers][1:] == [BADNET, PRUNED, BOTH]:
        return [model.get_layer(net) for net in (BADNET, PRUNED)]
    return [model]


def check_one(model: keras.Model, path: Any) -> None:
    """Raise ModelError where `model`, from the file `path`, is a GoodNet's two networks."""
    if len(apart(model)) > 1:
        raise ModelError(
            f"expected one network in {path}, got a GoodNet, which holds a BadNet and its pruned net: give those two, "
            f"or measure it by runners.evaluate {shlex.quote(f'goodnet={path}')}"
        )
