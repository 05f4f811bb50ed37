"""Labels of every step from the activations at the cut: what a step leaves unchanged is not computed again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fineprune.evaluation.gates import Gate, GatedNetwork
from fineprune.evaluation.numpy_suffix import NumpySuffix
from fineprune.evaluation.rounding import Floats, Rounded
from fineprune.network import graph

SAFETY = 8  # scores closer than so many times the expected error are doubtful
SAME_SOFTMAX = 1e-6  # scores closer than this can have equal probabilities, of which the first class wins

Labels = NDArray[np.int32]
Rows = NDArray[np.intp]


class TensorFlowEvaluator:
    """Runs what stands behind the cut on the images that a step changes. Works for every network."""

    def __init__(self, gated: GatedNetwork) -> None:
        self.gated = gated
        self.gates = {node.layer.name: node for node in graph.calls(gated.suffix) if isinstance(node.layer, Gate)}
        inputs = {id(tensor): place for place, tensor in enumerate(gated.suffix.inputs)}
        self.sources = {name: inputs.get(id(node.keras_inputs[0])) for name, node in self.gates.items()}
        self.masks = [gated.masks(step) for step in range(len(gated.steps))]
        self.stopped = False  # set by another thread, to which the labels are worth nothing any more

    def labels(self, shared: Sequence[Floats]) -> Labels:
        """The class of each of n images by each network, (1 + steps, n), the untouched one first."""
        with np.errstate(over="ignore", invalid="ignore"):  # TensorFlow decides on such scores, or reports them
            self.start(shared)
            active = {place: _active(shared[place]) for place in self.sources.values() if place is not None}
            labels = np.empty((len(self.masks), len(shared[0])), np.int32)
            for step, row in enumerate(labels):
                if self.stopped:
                    break
                row[:] = labels[step - 1]
                changed = self._changed(step, active, len(row))
                if len(changed):
                    row[changed] = self.labels_at(step, shared, changed)
        return labels

    def start(self, shared: Sequence[Floats]) -> None:
        """Prepare for new images, before their first step."""

    def labels_at(self, step: int, shared: Sequence[Floats], rows: Rows) -> Labels:
        """The labels, by the network of `step`, of those images that it changes."""
        return self.gated.labels(step, [array[rows] for array in shared])

    def differences(self, step: int) -> dict[str, Floats]:
        """By how much the mask of each gate that changes differs from the step before, (channels,)."""
        before, now = self.masks[step - 1], self.masks[step]
        return {gate: mask - before[gate] for gate, mask in now.items() if (mask != before[gate]).any()}

    def _changed(self, step: int, active: Mapping[int, NDArray[np.bool_]], images: int) -> Rows:
        """The images that see a difference: those in which a changed channel is not zero everywhere."""
        changed = np.zeros(images, bool)
        for gate, difference in self.differences(step).items():
            place = self.sources[gate]
            changed |= True if place is None else active[place][:, difference != 0].any(axis=1)
        return np.arange(images) if step == 0 or not self.gated.is_gated_alone else np.flatnonzero(changed)


class NumpyEvaluator(TensorFlowEvaluator):
    """The same in NumPy; images whose two highest scores are too close to call are left to TensorFlow."""

    def __init__(self, gated: GatedNetwork) -> None:
        super().__init__(gated)
        self.input_ids = [id(tensor) for tensor in gated.suffix.inputs]
        self.numpy_suffix = NumpySuffix(gated.suffix, self.input_ids, {})
        self.suffix_ids = set(self.input_ids)

    def labels_at(self, step: int, shared: Sequence[Floats], rows: Rows) -> Labels:
        inputs = self.suffix_inputs(step, shared, rows)
        scores = self.numpy_suffix.scores(inputs, self.gated.weights(step), self.masks[step])
        labels, doubtful = _decide(scores)
        if doubtful.any():
            labels[doubtful] = super().labels_at(step, shared, rows[doubtful])
        return labels

    def suffix_inputs(self, step: int, shared: Sequence[Floats], rows: Rows) -> dict[int, Rounded]:
        """What the suffix starts from, by tensor."""
        every = len(rows) == len(shared[0])
        pairs = zip(self.input_ids, shared, strict=True)
        return {key: Rounded(array if every else array[rows], 0.0) for key, array in pairs if key in self.suffix_ids}


def _active(values: Floats) -> NDArray[np.bool_]:
    """Whether each channel of each image is anything but zero somewhere, (n, channels)."""
    active: NDArray[np.bool_] = (values != 0).any(axis=tuple(range(1, values.ndim - 1)))
    return active


def _decide(scores: Rounded) -> tuple[Labels, NDArray[np.bool_]]:
    """The class with the highest score, (n,), and whether rounding could have chosen it. Overwrites the scores."""
    values, every = scores.values, np.arange(len(scores.values))
    labels = values.argmax(axis=1).astype(np.int32)
    highest = values[every, labels]
    values[every, labels] = -np.inf
    # Written so that NaN and infinity are doubtful too.
    clear = highest - values.max(axis=1) > SAFETY * scores.error + SAME_SOFTMAX
    return labels, ~(clear & (highest < np.inf))
