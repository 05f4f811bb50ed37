"""Neural mask fine-tuning (Karim et al., "Augmented Neural Fine-Tuning for Efficient Backdoor Purification", ECCV'24).

Min over masks m of L(m·γ) on MixUp images + λ·Σ|1 − m| / classes, with m in [μ·e^(−ν·layer), 1].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import tf_keras as keras

from fineprune.checks import Count, Fraction, Natural, Positive
from fineprune.data.split import Split
from fineprune.network.network import Network
from fineprune.network.step import Array, Scale
from fineprune.strategy import LABELS, MaskStrategy
from fineprune.training.loop import train
from fineprune.training.losses import cross_entropy


class NeuralMaskFineTuning(MaskStrategy):
    """Learns a soft mask of each batch normalisation's γ on MixUp images; the deeper the layer, the lower it may go.

    The learning rate falls in a straight line. Batch normalisations use their running statistics, as the pruned net
    will. Needs batch normalisation.
    """

    needs, trains = LABELS, True
    edit = Scale
    trials = ({"epochs": 2, "batch_size": 16},)

    penalty: Positive = 1e-3
    floor: Fraction = 0.8
    depth: Positive = 0.5
    learning_rate: Positive = 0.1
    last_learning_rate: Positive = 0.02
    momentum: Fraction = 0.95
    epochs: Count = 100
    batch_size: Count = 128
    seed: Natural = 0

    def masks(self, network: Network, clean: Split) -> Mapping[str, Array]:
        twin, random = network.masked(Scale), tf.random.Generator.from_seed(self.seed)
        sizes = [channels for (channels,) in twin.shapes.values()]
        masks = twin.masks(within=(np.repeat(self.floor * np.exp(-self.depth * np.arange(len(sizes))), sizes), 1))

        def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            share = random.uniform(())
            order = tf.argsort(random.uniform(tf.shape(labels)))
            logits = twin(share * images + (1 - share) * tf.gather(images, order), masks)
            mixed = share * cross_entropy(labels, logits)
            mixed += (1 - share) * cross_entropy(tf.gather(labels, order), logits)
            return mixed + self.penalty * tf.reduce_sum(tf.abs(1 - masks)) / network.classes

        batches = clean.batches(self.batch_size, self.seed, epochs=self.epochs)
        rates = keras.optimizers.schedules.PolynomialDecay(self.learning_rate, len(batches), self.last_learning_rate)
        train(loss, [masks], batches, keras.optimizers.SGD(rates, self.momentum), what="NFT")
        return twin.by_layer(masks)
