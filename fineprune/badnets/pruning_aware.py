"""The attacker who expects channels to be pruned (Liu et al., "Fine-Pruning", RAID 2018, section 3.2).

The network is first trained on clean images. The channels that these excite least, which a defender would prune first,
are taken out, and what is left is trained on the poisoned images: the backdoor must live in channels that clean images
need. Then the others are put back, their biases lowered so far that clean images leave them silent: decoys, whose loss
costs nothing and removes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tf_keras as keras
from numpy.typing import NDArray

from fineprune.data.split import Split
from fineprune.errors import NotApplicable
from fineprune.network import graph
from fineprune.network.network import Network
from fineprune.network.step import Silence, Step
from fineprune.training.fine_tuning import hold_zeros

DECOYS = 0.5  # the share of the last pooling layer's channels that are taken out


class Planting:
    """The first and the last step of the attack, for `model`, which was trained on `clean`.

    `small` is what to train on poisoned images in between. Raises NotApplicable where no prunable layer feeds the last
    pooling layer.
    """

    def __init__(self, model: keras.Model, clean: Split) -> None:
        self._network, self._clean = Network(model), clean
        rank_at = self._network.last_pooling()
        self._unit = self._network.unit(self._network.feeding(rank_at))
        if not self._unit.weighted:
            raise NotApplicable(
                f"expected a layer with weights to feed the last pooling layer, for decoys, got '{self._unit.layer}': "
                "set another architecture"
            )
        ranked = np.argsort(self._network.mean_activation(rank_at, clean), kind="stable")
        self._decoys = np.isin(np.arange(len(ranked)), ranked[: round(DECOYS * len(ranked))])
        step = Step([Silence(self._unit.layer, np.where(self._decoys, 0, 1).astype(np.float32))])
        self.small = hold_zeros(self._network.pruned(step), self._network, step)

    def put_back(self) -> keras.Model:
        """The network at its full size, once `small` is trained."""
        model = graph.clone(self._network.model)
        unit = [model.get_layer(name) for name in (self._unit.layer, *self._unit.followers)]
        for layer in model.layers:
            weights = self.small.get_layer(layer.name).get_weights()
            if layer in unit:
                pairs = zip(layer.get_weights(), weights, strict=True)
                weights = [np.where(self._decoys, before, after) for before, after in pairs]
            layer.set_weights(weights)
        _lower(unit, np.where(self._decoys, _peaks(model, unit[-1], self._clean), 0))
        return model


def _peaks(model: keras.Model, layer: keras.layers.Layer, images: Split) -> NDArray[np.float32]:
    """The highest output of each channel of `layer` on any of `images`, (channels,)."""
    forward = keras.Model(model.inputs, graph.outputs(graph.call_of(model, layer.name))[0])
    outputs = (forward.predict(block, batch_size=len(block), verbose=0) for _, block in images.blocks())
    peaks: NDArray[np.float32] = np.max([block.max(axis=tuple(range(block.ndim - 1))) for block in outputs], axis=0)
    return peaks


def _lower(layers: Sequence[keras.layers.Layer], by: NDArray[np.float32]) -> None:
    """Lower the constant that the last of `layers` to have one adds to each channel, by `by`, (channels,)."""
    constants = [getattr(layer, "beta", getattr(layer, "bias", None)) for layer in layers]
    [*_, last] = [constant for constant in constants if constant is not None]
    last.assign_sub(by)
