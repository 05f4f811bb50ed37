"""Invertible masks (Dunnett et al., "Backdoor Mitigation via Invertible Pruning Masks", NeurIPS 2025).

A filter is multiplied by s + c·(1 − s), s = sigmoid(k·(m − ½)), and in the inverse network by the same of 1 − m. Min
over m, c in [0, 1] of agree(masked, untouched) + disagree(inverse, untouched) + λ·mean|1 − c|, then under perturbations
as well that min agree(inverse, untouched) + disagree(untouched, untouched on the clean image).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import tensorflow as tf
import tf_keras as keras

from fineprune.checks import Count, Natural, NonNegative, Positive
from fineprune.data.split import Split
from fineprune.network.network import Network
from fineprune.network.step import Array, Mask
from fineprune.strategy import MaskStrategy
from fineprune.training.loop import Patience, train
from fineprune.training.losses import agree, disagree
from fineprune.training.perturbing import perturbation


class InvertibleMasks(MaskStrategy):
    """Learns soft masks m of filters whose inverse keeps the backdoor alone, and c, which filters to leave to both."""

    trains, edit = True, Mask
    trials = ({"first_rounds": 2, "rounds": 2, "perturbing_steps": 2, "batch_size": 16},)

    steepness: Positive = 20.0
    sparsity: NonNegative = 10.0
    learning_rate: Positive = 0.02
    perturbing_rate: Positive = 0.001
    perturbing_steps: Count = 20
    first_rounds: Count = 100
    rounds: Count = 200
    batch_size: Count = 256
    seed: Natural = 0

    def masks(self, network: Network, clean: Split) -> Mapping[str, Array]:
        twin, logits = network.masked(Mask, filters=True), network.logits
        masks, shared = twin.masks(), twin.masks()

        def untouched(images: tf.Tensor) -> tf.Tensor:
            return logits(images, training=False)

        def scores(images: tf.Tensor, inverse: bool = False) -> tf.Tensor:
            return twin(images, multiplier(1 - masks if inverse else masks, shared, self.steepness))

        def perturbed(images: tf.Tensor, expected: tf.Tensor) -> tf.Tensor:
            def hidden(change: tf.Tensor) -> tf.Tensor:
                changed = images + clean.span * change
                given = untouched(changed)
                return agree(scores(changed, inverse=True), given) + disagree(given, expected)

            return images + clean.span * perturbation(hidden, images, self.perturbing_steps, self.perturbing_rate)

        def loss(images: tf.Tensor, _: tf.Tensor, robust: bool, sparsity: float) -> tf.Tensor:
            expected = untouched(images)
            value = sparsity * tf.reduce_mean(tf.abs(1 - shared))
            value += agree(scores(images), expected) + disagree(scores(images, inverse=True), expected)
            if robust:
                changed = perturbed(images, expected)
                inverse = scores(changed, inverse=True)
                value += agree(scores(changed), expected)
                value += agree(inverse, untouched(changed)) + disagree(inverse, expected)
            return value

        phases = (self.sparsity, self.first_rounds), (0.0, self.rounds), (self.sparsity, self.rounds)
        for number, (sparsity, rounds) in enumerate(phases):
            batches, patience = clean.batches(self.batch_size, self.seed + number, steps=rounds), Patience(25, 0.98)
            optimizer = keras.optimizers.AdamW(self.learning_rate, weight_decay=0.01, epsilon=1e-8)
            phase = partial(loss, robust=number > 0, sparsity=sparsity)
            train(phase, [masks, shared], batches, optimizer, what=f"IMS, phase {number + 1} of 3", watch=patience)
        return twin.by_layer(multiplier(masks, shared, self.steepness))


def multiplier(masks: tf.Tensor, shared: tf.Tensor, steepness: float) -> tf.Tensor:
    """What filters are multiplied by, of the shape of `masks`."""
    steep = tf.sigmoid(steepness * (masks - 0.5))
    return steep + shared * (1 - steep)
