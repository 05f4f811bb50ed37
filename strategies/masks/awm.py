"""Adversarial weight masking (Chai and Chen, "One-shot Neural Backdoor Erasing via Adversarial Weight Masking",
NeurIPS 2022).

Min over masks m in [0, 1] of α·L(m·w, x) + (1 − α)·max over ‖δ‖₁ ≤ τ of L(m·w, x + δ) + γ·‖m‖₁.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tf_keras as keras

from fineprune.checks import Count, Fraction, Natural, Positive
from fineprune.data.split import Split
from fineprune.network.network import Network
from fineprune.network.step import Array, Mask
from fineprune.strategy import LABELS, MaskStrategy
from fineprune.training.loop import Training
from fineprune.training.losses import cross_entropy


class AdversarialWeightMasking(MaskStrategy):
    """Learns a mask of each weight of the convolutions that withstands a perturbation of all images at once.

    In each round the perturbation, of pixels in [0, 1], is found from zero, then the masks learn against it.
    """

    needs, trains = LABELS, True
    edit = Mask
    trials = ({"rounds": 2, "epochs": 1, "batch_size": 16},)

    alpha: Fraction = 0.9
    gamma: Positive = 1e-8
    tau: Positive = 1000.0
    learning_rate: Positive = 0.01
    perturbing_rate: Positive = 10.0
    rounds: Count = 20
    epochs: Count = 5
    batch_size: Count = 128
    seed: Natural = 0

    def masks(self, network: Network, clean: Split) -> Mapping[str, Array]:
        twin = network.masked(Mask)
        masks, noise = twin.masks(), tf.Variable(tf.zeros((1, *clean.shape)))

        def perturbed(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            return cross_entropy(
                labels, twin(tf.clip_by_value(images + clean.span * noise, clean.black, clean.white), masks)
            )

        def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            plain = cross_entropy(labels, twin(images, masks))
            sparse = self.gamma * tf.reduce_sum(tf.abs(masks))
            return self.alpha * plain + (1 - self.alpha) * perturbed(images, labels) + sparse

        perturbing = Training(perturbed, [noise], keras.optimizers.SGD(self.perturbing_rate), ascend=True)
        masking = Training(loss, [masks], keras.optimizers.Adam(self.learning_rate))
        for number in range(self.rounds):
            batches = clean.batches(self.batch_size, self.seed + number, epochs=self.epochs)
            noise.assign(tf.zeros_like(noise))
            perturbing.run(batches, f"AWM, round {number + 1} of {self.rounds}, perturbing")
            noise.assign(noise * tf.minimum(1.0, self.tau / tf.norm(noise, 1)))
            masking.run(batches, f"AWM, round {number + 1} of {self.rounds}, masking")
        return twin.by_layer(masks)
