"""The worst that can happen to a masked network: noise on its batch normalisations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from fineprune.training.loop import cross_entropy

if TYPE_CHECKING:
    from fineprune.network.masked import MaskedNetwork


def worst_noise(
    twin: MaskedNetwork,
    masks: tf.Tensor,
    images: tf.Tensor,
    labels: tf.Tensor,
    epsilon: float,
    random: tf.random.Generator,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Noise on γ and on β of all channels, each (size,) and relative to them, that raises the cross-entropy.

    It is drawn evenly within ±ε and goes one step of ε by the sign of the gradient, not projected back, as Wu and Wang
    do ("Adversarial Neuron Pruning Purifies Backdoored Deep Models", NeurIPS 2021). `twin(images, masks + δ, ξ)` feels
    it; no gradient goes through it.
    """
    noise = random.uniform((2, twin.size), -epsilon, epsilon)
    with tf.GradientTape() as tape:
        tape.watch(noise)
        worst = cross_entropy(labels, twin(images, masks + noise[0], noise[1]))
    delta, xi = tf.unstack(noise + epsilon * tf.sign(tf.stop_gradient(tape.gradient(worst, noise))))
    return delta, xi
