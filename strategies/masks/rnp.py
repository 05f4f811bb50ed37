"""Reconstructive neuron pruning (Li et al., "Reconstructive Neuron Pruning for Backdoor Defense", ICML 2023).

Unlearn: max over weights of L. Recover: min over masks m in [0, 1] of α·L(m·γ) in the unlearned network.
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
from fineprune.training.unlearning import unlearn


class ReconstructiveNeuronPruning(NormStrategy):
    """Unlearns clean images, then learns which γ, masked, give them back; prunes the lowest masks in the original.

    Unlearning ends once the accuracy of an epoch is at most `stop` times chance, or after `unlearning_epochs`. The
    backdoor's channels are those that recovery does without. Batch normalisations use batch statistics throughout.
    Needs batch normalisation.
    """

    needs, trains = LABELS, True
    trials = ({"unlearning_epochs": 2, "recovering_epochs": 2, "batch_size": 16},)

    unlearning_rate: Positive = 0.01
    unlearning_epochs: Count = 21
    stop: Positive = 2.0
    recovering_rate: Positive = 0.2
    recovering_epochs: Count = 20
    alpha: Fraction = 0.2
    batch_size: Count = 128
    chunk = 4
    seed: Natural = 0

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        network.norm_layers(self.layers)  # raises where there are none, before minutes are spent on unlearning
        batches = clean.batches(self.batch_size, self.seed, epochs=self.recovering_epochs)
        twin = Network(self._unlearned(network, clean)).masked(Scale, batch_statistics=True)
        masks = twin.masks()

        def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            return self.alpha * cross_entropy(labels, twin(images, masks))

        train(loss, [masks], batches, keras.optimizers.SGD(self.recovering_rate, 0.9), what="RNP")
        return twin.by_layer(masks)

    def _unlearned(self, network: Network, clean: Split) -> keras.Model:
        epoch = -(-len(clean) // self.batch_size)
        rates = [self.unlearning_rate * 0.1**times for times in range(3)]
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay([10 * epoch, 20 * epoch], rates)
        return unlearn(
            network,
            clean.batches(self.batch_size, self.seed, epochs=self.unlearning_epochs),
            keras.optimizers.SGD(schedule, 0.9, global_clipnorm=20),
            every=epoch,
            until=lambda _, accuracy: accuracy <= self.stop / network.classes,
            decay=5e-4,
        )
