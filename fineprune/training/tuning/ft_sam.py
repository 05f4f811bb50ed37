"""FT-SAM (Zhu et al., "Enhancing Fine-Tuning based Backdoor Defense with Sharpness-Aware Minimization", ICCV 2023).

Min over weights w of max L(w + e) by one step, e = ρ · w² · g / ‖|w| · g‖₂, where g is the gradient of L at w.
"""

from __future__ import annotations

from typing import ClassVar

import tensorflow as tf
import tf_keras as keras

from fineprune.checks import Count, Fraction, NonNegative, Positive, checked
from fineprune.data.split import Split
from fineprune.network.network import Network, before_softmax
from fineprune.training.fine_tuning import FineTuning
from fineprune.training.loop import train
from fineprune.training.perturbing import moved


class SharpnessAware(FineTuning):
    """Trains all weights by SGD, with the gradient at the worst point near them: nearer where they are small.

    L is cross-entropy with smoothed labels; the decay of weights is no part of it. Batch normalisations keep the
    statistics of the first pass of each step.
    """

    title = "FT-SAM"
    trial: ClassVar = {"epochs": 1, "batch_size": 16}

    @checked("finetune")
    def __init__(
        self,
        rho: Positive = 2.0,
        label_smoothing: Fraction = 0.1,
        learning_rate: Positive = 0.01,
        momentum: Fraction = 0.9,
        weight_decay: NonNegative = 0.0005,
        epochs: Count = 100,
        batch_size: Count = 256,
        hold: bool = True,
    ) -> None:
        self.rho, self.label_smoothing, self.hold = rho, label_smoothing, hold
        self.epochs, self.batch_size = epochs, batch_size
        self.learning_rate, self.momentum, self.weight_decay = learning_rate, momentum, weight_decay

    def train(self, model: keras.Model, network: Network, clean: Split, seed: int, what: str) -> None:
        scores = before_softmax(model)
        weights, statistics, classes = model.trainable_variables, model.non_trainable_variables, network.classes

        def entropy(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            wrong = self.label_smoothing / (classes - 1)
            expected = tf.one_hot(labels, classes, 1 - self.label_smoothing, wrong)
            return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(expected, scores(images, training=True)))

        def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                here = entropy(images, labels)
            slopes = tape.gradient(here, weights, unconnected_gradients="zero")
            size = tf.linalg.global_norm([tf.abs(w) * slope for w, slope in zip(weights, slopes, strict=True)]) + 1e-12
            moves = [self.rho * w**2 * slope / size for w, slope in zip(weights, slopes, strict=True)]
            there = moved(lambda: entropy(images, labels), weights, moves, statistics)
            # As in the authors' SGD, the decay goes through the momentum; Keras's own would not.
            return there + self.weight_decay * tf.add_n([tf.nn.l2_loss(weight) for weight in weights])

        keras.utils.set_random_seed(seed)
        batches = clean.batches(self.batch_size, seed, epochs=self.epochs)
        rate = keras.optimizers.schedules.CosineDecay(self.learning_rate, len(batches))
        optimizer = keras.optimizers.SGD(rate, self.momentum)
        train(loss, weights, batches, optimizer, what=what)
