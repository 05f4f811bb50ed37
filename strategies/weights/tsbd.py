"""Two-stage backdoor defence (Lin et al., "Unveiling and Mitigating Backdoor Vulnerabilities based on Unlearning
Weight Changes and Backdoor Activeness", NeurIPS 2024): its first stage, the weights that unlearning changes most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tf_keras as keras

from fineprune.checks import Count, Fraction, Fractions, Natural, Positive
from fineprune.data.split import Split
from fineprune.errors import ConfigError, NotApplicable
from fineprune.network.labels import accuracy
from fineprune.network.network import Network
from fineprune.network.step import Array, Mask, Step
from fineprune.strategy import LABELS, Strategy
from fineprune.training.unlearning import unlearn


class TwoStageBackdoorDefence(Strategy):
    """Unlearns clean images; then zeroes, in the filters that changed most, the weights that changed most.

    A step for each of `neurons`, a share of the filters of all convolutions, takes among their weights the share
    `weights` that changed most, by one threshold; those that did not change stay. Unlearning ends once accuracy is at
    most `stop` times chance, or after `epochs`.
    """

    needs, trains = LABELS, True
    trials = ({"epochs": 2, "batch_size": 16, "neurons": (0.1, 0.5)},)

    neurons: Fractions = (0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 0.9)
    weights: Fraction = 0.7
    learning_rate: Positive = 1e-4
    epochs: Count = 1000
    stop: Positive = 1.0
    batch_size: Count = 256
    seed: Natural = 0

    def steps(self, network: Network, clean: Split, **oracle: Any) -> Iterator[Step]:
        changes = self.changes(network, clean)
        filters = np.concatenate([change.sum(axis=(0, 1, 2)) for change in changes.values()])
        for share in sorted(self.neurons):
            least = np.sort(filters)[-max(1, round(share * len(filters)))]
            chosen = {layer: change.sum(axis=(0, 1, 2)) >= least for layer, change in changes.items()}
            inside = np.concatenate([change[..., chosen[layer]].ravel() for layer, change in changes.items()])
            threshold = np.sort(inside)[-max(1, round(self.weights * len(inside)))]
            pruned = {layer: (change >= threshold) & (change > 0) & chosen[layer] for layer, change in changes.items()}
            yield Step([Mask(layer, 1 - part.astype(np.float32)) for layer, part in pruned.items()], share, "neurons")

    def changes(self, network: Network, clean: Split) -> Mapping[str, Array]:
        """How much unlearning changes each weight, |Δw|, of the kernels of the convolutions."""
        if not network.convolutions:
            raise NotApplicable("expected a network with convolutions, got one without: take another strategy")
        unlearned = unlearn(
            network,
            clean.batches(self.batch_size, self.seed, epochs=self.epochs),
            keras.optimizers.SGD(self.learning_rate, 0.9),
            every=-(-len(clean) // self.batch_size),
            until=lambda model, _: accuracy(model, clean) <= self.stop / network.classes,
        )
        before, after = network.convolutions, Network(unlearned).convolutions
        changes = {layer: np.abs(after[layer] - kernel) for layer, kernel in before.items()}
        if not any(change.any() for change in changes.values()):
            raise ConfigError("expected unlearning to change weights, got none changed: raise strategy.learning_rate")
        return changes
