"""The architecture of a network, as JSON from a stranger: read, and made safe to hand to Keras."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fineprune import limits
from fineprune.errors import ModelError, line

CONTAINERS = {"Functional", "Model", "Sequential"}
LAYERS = """
    InputLayer Conv1D Conv2D DepthwiseConv2D SeparableConv2D Dense BatchNormalization LayerNormalization
    Activation ReLU LeakyReLU PReLU ELU ThresholdedReLU Softmax
    MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalAveragePooling1D GlobalAveragePooling2D
    Flatten Reshape Permute Dropout SpatialDropout2D GaussianNoise GaussianDropout AlphaDropout ActivityRegularization
    ZeroPadding2D Cropping2D UpSampling2D Rescaling Add Subtract Multiply Average Maximum Minimum Concatenate
""".split()
PARTS = """
    Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal VarianceScaling Orthogonal Identity
    GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform
    L1 L2 L1L2 MaxNorm MinMaxNorm NonNeg UnitNorm Policy
""".split()
SAFE = CONTAINERS.union(LAYERS, PARTS)
# By these names alone; Keras would take that of anything in its module.
FUNCTIONS = set(
    """
    elu exponential gelu hard_sigmoid linear mish relu selu sigmoid softmax softplus softsign swish tanh
    l1 l2 l1_l2 max_norm min_max_norm non_neg unit_norm
    """.split()
)
NAMED = ("activation", "_regularizer", "_constraint")


class Passes(list[Any]):
    """A list that may be gone through `left` times: over layers that wait for each other, Keras goes on forever."""

    left = 0

    def __iter__(self) -> Iterator[Any]:
        self.left -= 1
        if self.left < 0:
            raise ValueError("layers that wait for each other, or for none")
        return super().__iter__()


def parse(text: Any, path: Any) -> dict[str, Any]:
    """The architecture in the file `path`, with nothing in it that carries code, or is larger than `limits` says.

    All initialisers are zeros: the weights come from the file, and to draw them can take longer than anything else.
    """
    if isinstance(text, str | bytes) and len(text) > limits.CONFIG_BYTES:
        raise ModelError(
            f"expected an architecture of at most {limits.CONFIG_BYTES:,} bytes in {path}, got {len(text):,}: "
            "not loaded"
        )
    try:
        config = json.loads(text)
    except (ValueError, TypeError, RecursionError) as reason:
        raise ModelError(
            f"expected the architecture in {path} to be JSON, got: {line(reason)}: save the network again"
        ) from reason
    if not isinstance(config, dict):
        raise ModelError(
            f"expected the architecture in {path} to be that of a network, got {line(config)}: save the network again"
        )
    parts = list(_parts(config, path))
    if unsafe := sorted(name for part in parts for name in _names(part) - SAFE):
        raise ModelError(
            f"expected only Keras's own layers that carry no code in {path}, got '{line(unsafe[0])}': not loaded, "
            "since building it could run what a stranger wrote"
        )
    if (calls := _calls(config)) > limits.CALLS:
        raise ModelError(f"expected at most {limits.CALLS:,} calls of layers in {path}, got {calls:,}: not loaded")
    for part in parts:
        part |= {key: "zeros" for key in part if key.endswith("_initializer")}
        if isinstance(shape := part.get("batch_input_shape"), list):
            shape[:1] = [None]  # a network saved with a batch of its own takes any
        if isinstance(part.get("layers"), list):
            part["layers"] = Passes(part["layers"])
            part["layers"].left = 2 * calls + 16  # one to make the layers, one for each call, and some that Keras adds
    return config


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


def _names(part: dict[str, Any]) -> set[str]:
    """The classes, modules and functions that an object in a config names, Keras's safe functions excepted."""
    found = {str(part[key]) for key in ("class_name", "registered_name") if part.get(key) is not None}
    module = str(part.get("module") or "keras")
    if module.split(".")[0] not in ("keras", "tf_keras"):
        found.add(module)
    named = {str(value) for key, value in part.items() if key.endswith(NAMED) and isinstance(value, str)}
    return found | (named - FUNCTIONS)


def _calls(config: Any) -> int:
    """How many layers are called when the network is, the calls inside its networks included."""
    inside = config.get("config") if isinstance(config, dict) else None
    layers = inside.get("layers") if isinstance(inside, dict) else inside
    if not isinstance(layers, list):
        return 1
    total = 0
    for layer in layers:
        nodes = layer.get("inbound_nodes") if isinstance(layer, dict) else None
        total += max(1, len(nodes) if isinstance(nodes, list) else 1) * _calls(layer)
    return total
