"""What networks have to withstand: noise on batch normalisations, changes of images, and of weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

from fineprune.training.losses import cross_entropy

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


def moved(
    loss: Callable[[], tf.Tensor],
    weights: Sequence[tf.Variable],
    moves: Sequence[tf.Tensor],
    statistics: Sequence[tf.Variable],
) -> tf.Tensor:
    """`loss` where each of `weights` is moved; these, and the `statistics`, are as before when it is done.

    Its gradient is the one there, as in sharpness-aware minimisation.
    """
    before = [variable.read_value() for variable in (*weights, *statistics)]
    for weight, move in zip(weights, moves, strict=True):
        weight.assign_add(move)
    value = loss()
    for variable, earlier in zip((*weights, *statistics), before, strict=True):
        variable.assign(earlier)
    return value


def perturbation(
    loss: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor, steps: int, learning_rate: float
) -> tf.Tensor:
    """A change of each of `images`, of their shape, that Adam finds from zero so that `loss` of it falls.

    It can be compiled into another loss; no gradient goes through it.
    """

    def step(number: tf.Tensor, change: tf.Tensor, mean: tf.Tensor, square: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch(change)
            value = loss(change)
        slope = tape.gradient(value, change)
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        size = tf.sqrt(square / (1 - 0.999**number)) + 1e-8
        change -= learning_rate * mean / (1 - 0.9**number) / size
        return number + 1, change, mean, square

    zero = tf.zeros_like(images)
    start = tf.constant(1.0), zero, zero, zero
    _, change, *_ = tf.while_loop(lambda *_: True, step, start, maximum_iterations=steps)
    return tf.stop_gradient(change)
