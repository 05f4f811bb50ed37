"""The control that prunes without looking: what any ranking has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fineprune.checks import Natural, checked
from fineprune.network.step import Array
from fineprune.strategy import NOTHING, ChannelStrategy

if TYPE_CHECKING:
    from fineprune.data.split import Split
    from fineprune.network.network import Network


class RandomChannels(ChannelStrategy):
    """Ranks the channels of `layers` in random order: `auto` is what feeds the last pooling layer, `all` every unit."""

    needs, control = NOTHING, True
    trials = ({}, {"layers": "all", "chunk": 3}, {"layers": "all", "scope": "layer"})

    @checked("strategy")
    def __init__(self, seed: Natural = 0, **ranking: Any) -> None:
        super().__init__(**ranking)
        self.seed = seed

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        random = np.random.default_rng(self.seed)
        return {layer: random.random(network.unit(layer).channels) for layer in network.layers(self.layers)}
