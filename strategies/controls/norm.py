"""Channel pruning by the norm of the kernel (Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from fineprune.data.split import Split
from fineprune.network.network import Network
from fineprune.network.step import Array
from fineprune.strategy import NOTHING, ChannelStrategy


class KernelNorm(ChannelStrategy):
    """The control that makes networks smaller and knows of no backdoor: prunes the smallest kernels of each layer.

    Raises ConfigError for layers without a kernel of their own, such as a sum of branches.
    """

    needs, control = NOTHING, True
    layers, scope = "all", "layer"
    trials = ({}, {"scope": "global", "normalise": "l2", "chunk": 3})

    order: Literal[1, 2] = 1

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        kernels = {layer: network.weights(layer).kernel for layer in network.layers(self.layers)}
        return {
            layer: np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]).astype(np.float64), self.order, axis=0)
            for layer, kernel in kernels.items()
        }
