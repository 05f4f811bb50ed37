"""TSBD's second stage, fine-tuning that keeps gradients small (Lin et al., "Unveiling and Mitigating Backdoor
Vulnerabilities based on Unlearning Weight Changes and Backdoor Activeness", NeurIPS 2024).

Min over weights w of L(w) + λ·‖∇L(w)‖, by the gradient (1 − α)·g(w) + α·g(w + r·g/‖g‖), g = ∇L, ‖g‖ of each variable.
"""

from __future__ import annotations

from typing import ClassVar

import tensorflow as tf
import tf_keras as keras

from fineprune.checks import Count, Fraction, Positive, checked
from fineprune.data.split import Split
from fineprune.network.network import Network, before_softmax
from fineprune.training.fine_tuning import FineTuning
from fineprune.training.loop import train
from fineprune.training.losses import cross_entropy
from fineprune.training.perturbing import moved


class ActivenessAware(FineTuning):
    """Trains all weights by SGD, with the gradient between those at the weights and a step up from them.

    Zeros regrow unless `hold` is set. Batch normalisations keep the statistics of the first pass of each step.
    """

    title = "activeness-aware"
    trial: ClassVar = {"epochs": 1, "batch_size": 16}

    @checked("finetune")
    def __init__(
        self,
        r: Positive = 0.05,
        alpha: Fraction = 0.7,
        learning_rate: Positive = 0.01,
        momentum: Fraction = 0.9,
        epochs: Count = 20,
        batch_size: Count = 256,
        hold: bool = False,
    ) -> None:
        self.r, self.alpha, self.learning_rate, self.momentum = r, alpha, learning_rate, momentum
        self.epochs, self.batch_size, self.hold = epochs, batch_size, hold

    def train(self, model: keras.Model, network: Network, clean: Split, seed: int, what: str) -> None:
        scores = before_softmax(model)
        weights, statistics = model.trainable_variables, model.non_trainable_variables

        def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                here = cross_entropy(labels, scores(images, training=True))
            slopes = tape.gradient(here, weights, unconnected_gradients="zero")
            moves = [self.r * slope / (tf.norm(slope) + 1e-12) for slope in slopes]
            there = moved(lambda: cross_entropy(labels, scores(images, training=True)), weights, moves, statistics)
            return (1 - self.alpha) * here + self.alpha * there

        keras.utils.set_random_seed(seed)
        batches = clean.batches(self.batch_size, seed, epochs=self.epochs)
        train(loss, weights, batches, keras.optimizers.SGD(self.learning_rate, self.momentum), what=what)
