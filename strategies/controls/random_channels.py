"""The control that prunes without looking: what any ranking has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fineprune.checks import Natural
from fineprune.data.split import Split
from fineprune.network.network import Network
from fineprune.network.step import Array
from fineprune.strategy import NOTHING, ChannelStrategy


class RandomChannels(ChannelStrategy):
    """Ranks the channels of `layers` in random order: `auto` is what feeds the last pooling layer, `all` every unit."""

    needs, control = NOTHING, True
    trials = ({}, {"layers": "all", "chunk": 3}, {"layers": "all", "scope": "layer"})

    seed: Natural = 0

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        random = np.random.default_rng(self.seed)
        return {layer: random.random(network.unit(layer).channels) for layer in network.layers(self.layers)}
