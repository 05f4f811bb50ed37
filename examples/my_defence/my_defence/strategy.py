"""Pruning of what could do much, and does little on clean images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fineprune.network.step import Array
from fineprune.strategy import IMAGES, ChannelStrategy
from my_defence.idleness import idleness

if TYPE_CHECKING:
    from fineprune.data.split import Split
    from fineprune.network.network import Network


class MyDefence(ChannelStrategy):
    """Prunes first the channels with large kernels that clean images hardly excite; of `layers`, by default all."""

    needs, layers = IMAGES, "all"

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        scores = {}
        for layer in network.layers(self.layers):
            unit, kernel = network.unit(layer), network.weights(layer).kernel
            scores[layer] = -idleness(network.mean_activation(unit.end, clean), kernel)
        return scores
