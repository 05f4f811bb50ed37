"""Feature-shift tuning (Min et al., "Towards Stable Backdoor Purification through Feature Shift Tuning", NeurIPS 2023).

Min over all weights of L + α · ⟨w, w₀⟩, ‖w‖ = ‖w₀‖: w is the classifier's kernel, drawn anew, and w₀ what it was.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import tensorflow as tf
import tf_keras as keras

from fineprune.checks import Count, Fraction, NonNegative, Positive, checked
from fineprune.data.split import Split
from fineprune.network.network import Network, before_softmax
from fineprune.network.unit import WEIGHTED
from fineprune.training.fine_tuning import FineTuning
from fineprune.training.loop import train
from fineprune.training.losses import cross_entropy


class FeatureShift(FineTuning):
    """Draws the classifier anew, and trains all weights by SGD, the classifier's away from what it was."""

    title = "FST"
    trial: ClassVar = {"epochs": 1, "batch_size": 16}

    @checked("finetune")
    def __init__(
        self,
        alpha: NonNegative = 0.1,
        learning_rate: Positive = 0.01,
        momentum: Fraction = 0.9,
        epochs: Count = 10,
        batch_size: Count = 128,
        hold: bool = True,
    ) -> None:
        self.alpha, self.learning_rate, self.momentum = alpha, learning_rate, momentum
        self.epochs, self.batch_size, self.hold = epochs, batch_size, hold

    def check(self, network: Network, images: int) -> None:
        super().check(network, images)
        _ = network.classifier

    def train(self, model: keras.Model, network: Network, clean: Split, seed: int, what: str) -> None:
        scores = before_softmax(model)
        keras.utils.set_random_seed(seed)
        head = model.get_layer(network.classifier)
        kernel, *bias = head.trainable_weights[WEIGHTED[type(head)] :]
        original, random = kernel.value(), np.random.default_rng(seed)
        reach = 1 / np.sqrt(np.prod(kernel.shape[:-1]))
        for variable in (kernel, *bias):
            drawn = tf.constant(random.uniform(-reach, reach, variable.shape), tf.float32)
            variable.assign(drawn if variable.constraint is None else variable.constraint(drawn))

        def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            entropy = cross_entropy(labels, scores(images, training=True))
            return entropy + self.alpha * tf.reduce_sum(kernel * original)

        def after() -> None:
            kernel.assign(kernel * tf.norm(original) / tf.norm(kernel))

        batches = clean.batches(self.batch_size, seed, epochs=self.epochs)
        rate = keras.optimizers.schedules.CosineDecay(self.learning_rate, len(batches))
        optimizer = keras.optimizers.SGD(rate, self.momentum)
        train(loss, model.trainable_variables, batches, optimizer, what=what, after=after)
