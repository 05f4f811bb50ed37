"""Entropy-based pruning (Zheng et al., "Pre-activation Distributions Expose Backdoor Neurons", NeurIPS 2022).

H(c) = entropy of the histogram, in bins of 0.01, of the channel's standardised maxima over rows and columns, one an
image. Channels with H(c) < mean − u·std of their layer are pruned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.stats import entropy

from fineprune.checks import Count, Fraction, Natural
from fineprune.data.split import Split, sample
from fineprune.network.network import Network
from fineprune.network.step import Array
from fineprune.strategy import POISONED, NormStrategy


class PreActivationEntropy(NormStrategy):
    """An oracle: prunes the channels whose maxima over a mixture of clean and poisoned images have the lowest entropy.

    Of the mixture's `images`, the share `poison_rate` is poisoned, of several triggers evenly. u is a step's amount.
    """

    needs, normalise, threshold = POISONED, "z", "u"
    trials = ({"images": 40, "poison_rate": 0.3}, {"images": 30, "poison_rate": 0.2, "form": "silent", "chunk": 3})

    images: Count = 500
    poison_rate: Fraction = 0.1
    seed: Natural = 0

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        poisoned, layers = oracle["poisoned"].values(), network.norm_layers(self.layers)
        shares = {clean: 1 - self.poison_rate} | dict.fromkeys(poisoned, self.poison_rate / len(poisoned))
        mixture = [sample(part, max(1, round(share * self.images)), self.seed) for part, share in shares.items()]
        maxima = [network.arriving(layers, part, _maximum) for part in mixture]
        return {layer: _entropies(np.concatenate([part[layer] for part in maxima])) for layer in layers}


def _maximum(arriving: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(arriving, list(range(1, len(arriving.shape) - 1)))


def _entropies(maxima: Array) -> Array:
    """H of each channel, (channels,), from (n, channels); NaN where all of a channel's are equal."""
    spread = maxima.std(axis=0, ddof=1, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = (maxima - maxima.mean(axis=0, dtype=np.float64)) / spread
    bins = np.floor((values - np.min(values, initial=np.inf, where=spread > 0)) / 0.01)
    counts = [np.unique(column, return_counts=True)[1] for column in bins.T]
    return np.where(spread > 0, [entropy(count) for count in counts], np.nan)
