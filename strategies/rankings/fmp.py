"""Feature-map pruning (Huang and Bu, "Adversarial Feature Map Pruning for Backdoor", ICLR 2024).

Score of map c: the accuracy of the whole network on images x″ = x′ + ε·sign ∇ MSE(map_c(x), map_c(x′)), which start
at x′ = x + α·sign(noise).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from fineprune.checks import Count, Natural, Positive
from fineprune.data.split import Split, in_memory, sample
from fineprune.network import passes
from fineprune.network.network import Network
from fineprune.network.step import Array
from fineprune.strategy import LABELS, ChannelStrategy


class FeatureMapPruning(ChannelStrategy):
    """Prunes in each layer the channels whose map costs most accuracy, once attacked; α and ε are values of pixels."""

    needs, layers, scope = LABELS, "convolutions", "layer"
    trials = ({"images": 6, "epsilon": 8.0, "layers": "auto"}, {"images": 5, "scope": "global", "layers": "auto"})

    images: Count = 32
    alpha: Positive = 1.0
    epsilon: Positive = 1.0
    seed: Natural = 0

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        images, labels = in_memory(sample(clean, self.images, self.seed))
        sign, span = np.random.default_rng(self.seed).choice([-1, 1], images.shape), clean.span
        start = tf.constant(np.clip(images + self.alpha * span / 255 * sign, clean.black, clean.white), tf.float32)

        def accuracies(layer: str) -> Array:
            maps = keras.Model(network.model.inputs, network.model.get_layer(layer).output)
            clean_maps = maps(images, training=False)

            @tf.function  # type: ignore[untyped-decorator]
            def accuracy(channel: tf.Tensor) -> tf.Tensor:
                with tf.GradientTape() as tape:
                    tape.watch(start)
                    change = tf.reduce_mean((maps(start, training=False) - clean_maps)[..., channel] ** 2)
                attacked = start + self.epsilon * span / 255 * tf.sign(tape.gradient(change, start))
                scores = network.model(tf.clip_by_value(attacked, clean.black, clean.white), training=False)
                return tf.reduce_mean(tf.cast(tf.argmax(scores, axis=-1) == labels, tf.float32))

            channels = tf.range(network.unit(layer).channels)
            passes.add(len(images) * (1 + 2 * len(channels)), len(images) * len(channels))
            return np.array([accuracy(channel) for channel in channels])

        return {layer: accuracies(layer) for layer in network.layers(self.layers)}
