"""Weight changes by unlearning noise (Lin et al., "Fusing Pruned and Backdoored Models", AAAI 2025), the first stage.

NWC(c) = Σ |w′ − w| over the kernel of channel c, where w becomes w′ by steps up the cross-entropy of noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from fineprune.checks import Count, Natural, Positive
from fineprune.data.split import Split
from fineprune.network.network import Network
from fineprune.network.places import Places
from fineprune.network.step import Array
from fineprune.strategy import NOTHING, ChannelStrategy
from fineprune.training.unlearning import unlearn


class NoiseWeightChange(ChannelStrategy):
    """Prunes the filters whose kernels change most while the network unlearns `iterations` batches of noise."""

    needs, layers = NOTHING, "convolutions"
    trials = ({"iterations": 2, "batch_size": 8}, {"iterations": 1, "batch_size": 4, "scope": "layer"})

    learning_rate: Positive = 1e-4
    batch_size: Count = 256
    iterations: Count = 20
    seed: Natural = 0

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        keras.utils.set_random_seed(self.seed)  # for layers that are random in training
        layers, shape = network.layers(self.layers), (self.batch_size, *clean.shape)

        def noise(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images = tf.random.stateless_uniform(shape, [2 * batch, self.seed], clean.black, clean.white)
            seed = [2 * batch + 1, self.seed]
            return images, tf.random.stateless_uniform(shape[:1], seed, 0, network.classes, tf.int64)

        batches = tf.data.Dataset.range(self.iterations).map(noise)
        unlearned = Places(unlearn(network, batches, keras.optimizers.SGD(self.learning_rate, momentum=0.9)))
        changes = {layer: unlearned.weights(layer).kernel - network.weights(layer).kernel for layer in layers}
        return {layer: -np.abs(change).sum(axis=tuple(range(change.ndim - 1))) for layer, change in changes.items()}
