"""BatchNorm-statistics pruning (Zheng et al., "Pre-activation Distributions Expose Backdoor Neurons", NeurIPS 2022).

KL(c) = log(σ_r/σ_b) + (σ_b² + (μ_b − μ_r)²) / 2σ_r² − ½, of running statistics r and those of clean images b.
Channels with KL(c) > mean + u·std of their layer are pruned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fineprune.data.split import Split
from fineprune.network.network import Network, powers
from fineprune.network.step import Array
from fineprune.strategy import NormStrategy


class NormStatistics(NormStrategy):
    """Prunes the channels whose stored statistics, of poisoned training data, differ most from those of clean images.

    u is a step's amount. Needs batch normalisation.
    """

    normalise, threshold = "z", "u"
    trials = ({}, {"form": "silent", "chunk": 3})

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        moments = network.arriving(network.norm_layers(self.layers), clean, powers)
        return {layer: -_divergence(network.model.get_layer(layer), moment) for layer, moment in moments.items()}


def _divergence(norm: Any, moments: Array) -> Array:
    """KL of each channel, (channels,), from moments (n, 2, channels); not finite where a variance is zero."""
    mean, square = moments.mean(axis=0)
    variance = np.maximum(square - mean**2, 0)
    running, deviation = norm.moving_variance.numpy().astype(np.float64), (mean - norm.moving_mean.numpy()) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        divergence: Array = np.log(running / variance) / 2 + (variance + deviation) / (2 * running) - 0.5
    return divergence
