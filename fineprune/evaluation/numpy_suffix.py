"""The last layers of a network in NumPy, where it knows them all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tf_keras as keras

from fineprune.evaluation.gates import Gate
from fineprune.evaluation.rounding import Floats, Rounded, Weights, dense, scores
from fineprune.network import graph


class NumpySuffix:
    """The layers between the tensors `starts` (by id) and the scores that the softmax of `model` takes in.

    The output of a layer in `unfinished` lacks its activation.
    """

    def __init__(self, model: keras.Model, starts: Collection[int], unfinished: Mapping[int, Any]) -> None:
        self._unfinished = unfinished
        self._nodes = _between(model, starts)
        layers = {node.layer.name: node.layer for node in self._nodes if type(node.layer) is keras.layers.Dense}
        self._weights = {name: Weights.of(layer.get_weights()) for name, layer in layers.items()}

    @property
    def is_possible(self) -> bool:
        """Whether NumPy can run all layers, and the last one's scores are in the order of the network's output."""
        if not self._nodes:
            return False
        *nodes, last = self._nodes
        layers = [*self._unfinished.values(), *(node.layer for node in self._nodes)]
        single = all(layer.compute_dtype == "float32" for layer in layers)
        inside = all(_activation(layer) in ("linear", "relu") for layer in self._unfinished.values())
        ends = _is_dense(last) and _activation(last.layer) in ("linear", "softmax")
        return single and inside and ends and all(_operation(node) is not None for node in nodes)

    def scores(
        self, inputs: Mapping[int, Rounded], new: Mapping[str, Sequence[Floats]], masks: Mapping[str, Floats]
    ) -> Rounded:
        """The scores, (n, classes), and the error of a single one; `new` weights and `masks` are by layer."""
        weights = self._weights | {name: Weights.of(arrays) for name, arrays in new.items()}
        values = {
            key: _activate(self._unfinished[key], value) if key in self._unfinished else value
            for key, value in inputs.items()
        }
        *nodes, last = self._nodes
        for node in nodes:
            operation = _operation(node)
            arguments = [values[id(tensor)] for tensor in node.keras_inputs]
            values[id(graph.outputs(node)[0])] = operation(node.layer, arguments, weights, masks)  # type: ignore[misc]
        return scores(values[id(last.keras_inputs[0])], weights[last.layer.name])


def _between(model: keras.Model, starts: Collection[int]) -> list[Any]:
    """The calls that the output of `model` takes, down to the tensors `starts`, in order."""
    needed = {id(model.outputs[0])}
    nodes = []
    for node in reversed(list(graph.calls(model))):
        if needed.isdisjoint(map(id, graph.outputs(node))) or id(graph.outputs(node)[0]) in starts:
            continue
        nodes.append(node)
        needed.update(map(id, node.keras_inputs))
    return nodes[::-1]


Operation = Callable[[Any, list[Rounded], Mapping[str, Weights], Mapping[str, Floats]], Rounded]


def _dense(layer: Any, inputs: list[Rounded], weights: Mapping[str, Weights], masks: Mapping[str, Floats]) -> Rounded:
    return _activate(layer, dense(inputs[0], weights[layer.name]))


def _add(layer: Any, inputs: list[Rounded], weights: Mapping[str, Weights], masks: Mapping[str, Floats]) -> Rounded:
    values = inputs[0].values + inputs[1].values
    for more in inputs[2:]:
        values += more.values
    return Rounded(values, float(np.linalg.norm([one.error for one in inputs])))


def _flatten(layer: Any, inputs: list[Rounded], weights: Mapping[str, Weights], masks: Mapping[str, Floats]) -> Rounded:
    values = inputs[0].values
    return inputs[0].map(values.reshape(len(values), -1))


def _gate(layer: Any, inputs: list[Rounded], weights: Mapping[str, Weights], masks: Mapping[str, Floats]) -> Rounded:
    return inputs[0].map(inputs[0].values * masks[layer.name])


def _same(layer: Any, inputs: list[Rounded], weights: Mapping[str, Weights], masks: Mapping[str, Floats]) -> Rounded:
    return inputs[0]


def _alone(layer: Any, inputs: list[Rounded], weights: Mapping[str, Weights], masks: Mapping[str, Floats]) -> Rounded:
    return _activate(layer, inputs[0])


OPERATIONS: Mapping[type, Operation] = {
    keras.layers.Dense: _dense,
    keras.layers.Add: _add,
    keras.layers.Flatten: _flatten,
    keras.layers.Dropout: _same,
    keras.layers.Activation: _alone,
    keras.layers.ReLU: _alone,
    Gate: _gate,
}


def _operation(node: Any) -> Operation | None:
    """How to run a call; None where NumPy cannot, or not in this way."""
    operation = OPERATIONS.get(type(node.layer))
    shapes = {tuple(tensor.shape[1:]) for tensor in node.keras_inputs}
    last = getattr(node.layer, "data_format", None) in (None, "channels_last")
    fits = {_dense: _is_dense(node), _add: len(shapes) == 1, _flatten: last}.get(operation, True)  # type: ignore[arg-type]
    activated = operation not in (_dense, _alone) or _activation(node.layer) in ("linear", "relu")
    return operation if fits and activated else None


def _is_dense(node: Any) -> bool:
    return type(node.layer) is keras.layers.Dense and len(node.keras_inputs[0].shape) == 2


def _activation(layer: Any) -> str:
    if isinstance(layer, Gate):
        return "linear"
    if isinstance(layer, keras.layers.ReLU):
        plain = layer.max_value is None and layer.negative_slope == 0 and layer.threshold == 0
        return "relu" if plain else "another relu"
    return str(layer.activation.__name__)


def _activate(layer: Any, value: Rounded) -> Rounded:
    return value.map(np.maximum(value.values, 0)) if _activation(layer) == "relu" else value
