"""Channel Lipschitzness pruning (Zheng et al., "Data-free Backdoor Removal based on Channel Lipschitzness", ECCV 2022).

The bound of channel c is σ(c) = σmax(W_c)·|γ_c| / √var_c, with W_c its kernel as a matrix, (inputs, positions).
Channels with σ(c) > mean + u·std of their layer are pruned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fineprune.data.split import Split
from fineprune.errors import NotApplicable
from fineprune.network.network import Network
from fineprune.network.step import Array
from fineprune.network.unit import UnitWeights
from fineprune.strategy import NOTHING, ChannelStrategy


class ChannelLipschitzness(ChannelStrategy):
    """Prunes the channels that can amplify a change most, compared with others of their layer; u is a step's amount.

    Needs layers with batch normalisation behind them; others are left alone. γ and β become zero, as published.
    """

    needs = NOTHING
    layers, normalise, threshold = "all", "z", "u"
    trials = ({}, {"scope": "layer", "chunk": 3})

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        weights = {layer: network.weights(layer) for layer in network.layers(self.layers)}
        bounds = {layer: _bounds(part, part.variance) for layer, part in weights.items() if part.variance is not None}
        if not bounds:
            raise NotApplicable(
                "expected layers with batch normalisation behind them, got none: take another strategy, or other "
                "strategy.layers"
            )
        return {layer: -bound for layer, bound in bounds.items()}


def _bounds(parts: UnitWeights, variance: Array) -> Array:
    """σ of each channel, (channels,); not finite where the variance is zero, since no ε is added to it."""
    inputs, channels = parts.kernel.shape[-2:]
    matrices = np.moveaxis(parts.kernel.reshape(-1, inputs, channels), -1, 0).astype(np.float64)
    gamma = 1.0 if parts.gamma is None else np.abs(parts.gamma)
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds: Array = np.linalg.svd(matrices, compute_uv=False)[:, 0] * gamma / np.sqrt(variance)
    return bounds
