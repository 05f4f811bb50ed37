"""Sums over channels, updated by what a step prunes or restores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from fineprune.evaluation.evaluators import NumpyEvaluator, Rows, TensorFlowEvaluator
from fineprune.evaluation.gates import GatedNetwork
from fineprune.evaluation.numpy_suffix import NumpySuffix
from fineprune.evaluation.rounding import Floats, LinearConsumer, NonlinearConsumer, Rounded, norm
from fineprune.network import graph

REFRESH = 64  # updates after which sums are computed anew, lest their errors add up


@dataclass(frozen=True)
class Sum:
    """What a gate feeds: the output of a consumer's `layer` before its activation, or the gate's own output.

    `tensor` is that output, `place` that of the gate's input at the cut.
    """

    tensor: Any
    gate: str
    place: int
    layer: Any
    consumer: LinearConsumer | NonlinearConsumer


class IncrementalEvaluator(NumpyEvaluator):
    """Channels act through sums, from which a step subtracts what it prunes, and to which it adds what it restores."""

    _updates = 0
    _values: list[Floats]

    def __init__(self, gated: GatedNetwork) -> None:
        super().__init__(gated)
        self._sums = [
            one
            for gate in self.gates.values()
            if (place := self.sources[gate.layer.name]) is not None
            for one in _sums(gated.suffix, gate, place)
        ]
        starts = {*self.input_ids, *(id(one.tensor) for one in self._sums)}
        self.numpy_suffix = NumpySuffix(gated.suffix, starts, {id(one.tensor): one.layer for one in self._sums})
        self.suffix_ids -= {self.input_ids[one.place] for one in self._sums}

    def start(self, shared: Sequence[Floats]) -> None:
        places = {one.place for one in self._sums}
        self._by_channel = {place: np.ascontiguousarray(np.moveaxis(shared[place], -1, 0)) for place in places}
        self._norms = {place: norm(shared[place]) for place in places}

    def suffix_inputs(self, step: int, shared: Sequence[Floats], rows: Rows) -> dict[int, Rounded]:
        if step == 0 or self._updates == REFRESH:
            self._updates, every = 0, np.arange(len(shared[0]))
            masks = self.masks[step]
            self._values = [self._part(one, every, masks[one.gate]) + one.consumer.bias for one in self._sums]
            new = [values[rows] for values in self._values]
        else:
            self._updates += 1
            new = self._updated(self.differences(step), rows)
        sums = {
            id(one.tensor): Rounded(values, one.consumer.error(self._norms[one.place], self._updates))
            for one, values in zip(self._sums, new, strict=True)
        }
        return super().suffix_inputs(step, shared, rows) | sums

    def _updated(self, differences: Mapping[str, Floats], rows: Rows) -> list[Floats]:
        """The sums in the images `rows`, updated there."""
        sums = []
        for one, values in zip(self._sums, self._values, strict=True):
            new = values[rows]
            if one.gate in differences:
                new += self._part(one, rows, differences[one.gate])
                values[rows] = new
            sums.append(new)
        return sums

    def _part(self, one: Sum, rows: Rows, mask: Floats) -> Floats:
        """What the channels add to the sum in the images `rows`, each multiplied by its value in `mask`."""
        channels = np.flatnonzero(mask)
        activations = np.moveaxis(self._by_channel[one.place][np.ix_(channels, rows)], 0, -1)
        return one.consumer.contribution(activations * mask[channels], channels)


def _sums(model: keras.Model, gate: Any, place: int) -> list[Sum]:
    """The sums through which the channels behind `gate` act."""
    name, output = gate.layer.name, graph.outputs(gate)[0]
    sums = []
    for user in graph.consumers(model, output):
        flat = type(user.layer) is keras.layers.Flatten and user.layer.data_format == "channels_last"
        for node in graph.consumers(model, graph.outputs(user)[0]) if flat else [user]:
            shape = tuple(output.shape[1:])
            if _is_linear(node):
                sums.append(Sum(graph.outputs(node)[0], name, place, node.layer, LinearConsumer.of(node.layer, shape)))
            else:
                sums.append(Sum(output, name, place, gate.layer, NonlinearConsumer(shape)))
    return sums


def _is_linear(node: Any) -> bool:
    layer, rank = node.layer, len(node.keras_inputs[0].shape)
    if type(layer) is keras.layers.Conv2D:
        return layer.groups == 1 and layer.data_format == "channels_last" and layer.padding in ("same", "valid")
    return type(layer) is keras.layers.Dense and rank == 2


def fastest(gated: GatedNetwork, trial: Callable[[], Sequence[Floats]]) -> type[TensorFlowEvaluator]:
    """The evaluator that is fastest of those that the network allows.

    On processors it is taken to be the one that computes least. Beside an accelerator it is measured, on what `trial`
    gives: activations at the cut.
    """
    possible = _possible(gated)
    if not accelerators():
        return type(next(possible))
    images = trial()
    return type(min(possible, key=lambda evaluator: seconds(evaluator, images)))


def accelerators() -> list[str]:
    """The devices other than processors on which TensorFlow computes here."""
    return [device.name for device in tf.config.list_physical_devices() if device.device_type != "CPU"]


def seconds(evaluator: TensorFlowEvaluator, images: Sequence[Floats]) -> float:
    """What all steps take on the activations `images`, once everything is traced."""
    evaluator.labels(images)
    start = time.perf_counter()
    evaluator.labels(images)
    return time.perf_counter() - start


def _possible(gated: GatedNetwork) -> Iterator[TensorFlowEvaluator]:
    """The evaluators that the network allows, the one that computes least first."""
    plain = TensorFlowEvaluator(gated)
    if gated.is_gated_alone and plain.gates and None not in plain.sources.values():
        incremental = IncrementalEvaluator(gated)
        if incremental.numpy_suffix.is_possible:
            yield incremental
    dense = NumpyEvaluator(gated)
    if dense.numpy_suffix.is_possible:
        yield dense
    yield plain
