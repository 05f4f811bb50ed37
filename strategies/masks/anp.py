"""Adversarial neuron pruning (Wu and Wang, "Adversarial Neuron Pruning Purifies Backdoored Deep Models", NeurIPS 2021).

Min over masks m in [0, 1] of α·L(m·γ, β) + (1 − α)·max L((m + δ)·γ, (1 + ξ)·β), with |δ|, |ξ| ≤ ε at first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras as keras

from fineprune.checks import Count, Fraction, Natural, Positive
from fineprune.data.split import Split
from fineprune.network.network import Network
from fineprune.network.step import Array, Scale
from fineprune.strategy import LABELS, NormStrategy
from fineprune.training.loop import train
from fineprune.training.losses import cross_entropy
from fineprune.training.perturbing import worst_noise


class AdversarialNeuronPruning(NormStrategy):
    """Learns a mask of each batch normalisation's γ that withstands the worst noise on γ and β; prunes the lowest.

    As in the authors' code: a single sign step of ε from random noise, not projected back; batch statistics; the masks
    are pruned in the untouched network. Unlike it, images are not cropped and flipped, and each is seen once an epoch.
    Needs batch normalisation.
    """

    needs, trains = LABELS, True
    trials = ({"iterations": 3, "batch_size": 16}, {"iterations": 3, "batch_size": 16, "form": "silent"})

    epsilon: Positive = 0.4
    alpha: Fraction = 0.2
    learning_rate: Positive = 0.2
    momentum: Fraction = 0.9
    batch_size: Count = 128
    iterations: Count = 2000
    chunk = 4
    seed: Natural = 0

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        twin, random = network.masked(Scale, batch_statistics=True), tf.random.Generator.from_seed(self.seed)
        masks = twin.masks()

        def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            delta, xi = worst_noise(twin, masks, images, labels, self.epsilon, random)
            robust = cross_entropy(labels, twin(images, masks + delta, xi))
            return self.alpha * cross_entropy(labels, twin(images, masks)) + (1 - self.alpha) * robust

        batches = clean.batches(self.batch_size, self.seed, steps=self.iterations)
        train(loss, [masks], batches, keras.optimizers.SGD(self.learning_rate, self.momentum), what="ANP")
        return twin.by_layer(masks)
