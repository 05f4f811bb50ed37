"""I-BAU (Zeng et al., "Adversarial Unlearning of Backdoors via Implicit Hypergradient", ICLR 2022).

Min over weights θ of L(θ, δ(θ)), where δ, one perturbation for all images, maximises L(θ, δ) − 0.001 · ‖δ‖². How δ
answers to θ is the fixed point of a step of gradient ascent, Φ(δ, θ), found in K iterations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import tensorflow as tf
import tf_keras as keras

from fineprune.checks import Count, Fraction, Positive, checked
from fineprune.data.split import Split
from fineprune.network.network import Network, before_softmax
from fineprune.training.fine_tuning import FineTuning
from fineprune.training.loop import Training, unwrap_data_errors

STEP = 0.1  # of Φ


class ImplicitUnlearning(FineTuning):
    """Finds a perturbation in one pass over the images, then unlearns it in another, `rounds` times.

    It is added to a `portion` of the images of a batch. Batch normalisations use their stored statistics.
    """

    title = "I-BAU"
    trial: ClassVar = {"rounds": 1, "batch_size": 16, "portion": 0.1}

    @checked("finetune")
    def __init__(
        self,
        learning_rate: Positive = 0.001,
        rounds: Count = 5,
        iterations: Count = 5,
        portion: Fraction = 0.01,
        batch_size: Count = 100,
        hold: bool = True,
    ) -> None:
        self.learning_rate, self.rounds, self.iterations = learning_rate, rounds, iterations
        self.portion, self.batch_size, self.hold = portion, batch_size, hold

    def train(self, model: keras.Model, network: Network, clean: Split, seed: int, what: str) -> None:
        scores = before_softmax(model)
        perturbation = tf.Variable(tf.zeros((1, *clean.shape)))
        optimizer = keras.optimizers.Adam(self.learning_rate)
        one = clean.span  # the constants are for pixels from 0 to 1

        def entropy(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            # The sparse one can be derived once only.
            expected = tf.one_hot(labels, network.classes)
            return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(expected, scores(images, training=False)))

        def inner(images: tf.Tensor, labels: tf.Tensor, delta: tf.Tensor) -> tf.Tensor:
            return 0.001 * tf.reduce_sum(delta**2) - entropy(images + one * delta, labels)

        def attack(images: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            return inner(images, tf.argmax(scores(images, training=False), axis=-1), perturbation)

        def unlearn(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            count = tf.cast(self.portion * tf.cast(tf.shape(labels)[0], tf.float32), tf.int32)
            chosen = tf.cast(tf.range(tf.shape(labels)[0]) < count, tf.float32)[:, None, None, None]
            return implicit(
                lambda delta: inner(first[0], first[1], delta),
                lambda delta: entropy(images + one * chosen * delta, labels),
                perturbation.read_value(),
                self.iterations,
            )

        rounds = [clean.batches(self.batch_size, seed + number, epochs=1) for number in range(self.rounds)]
        with unwrap_data_errors():
            first = [tf.Variable(part) for part in next(iter(rounds[0]))]
        perturbing = Training(attack, [perturbation], keras.optimizers.SGD(10.0))
        unlearning = Training(unlearn, model.trainable_variables, optimizer)
        for batches in rounds:
            with unwrap_data_errors():
                for variable, part in zip(first, next(iter(batches)), strict=True):
                    variable.assign(part)
            perturbation.assign(tf.zeros_like(perturbation))
            perturbing.run(batches, f"{what}, perturbing")
            unlearning.run(batches, f"{what}, unlearning")


Objective = Callable[[tf.Tensor], tf.Tensor]


def implicit(inner: Objective, outer: Objective, delta: tf.Tensor, iterations: int) -> tf.Tensor:
    """A scalar whose gradient by the weights is that of `outer` where `delta` follows them, as `inner` has it.

    v = vᵀ ∂Φ/∂δ + ∂outer/∂δ is iterated from 0; the gradient is ∂outer/∂θ + vᵀ ∂Φ/∂θ.
    """
    constant = tf.stop_gradient(_slope(outer, delta))

    def iterate(v: tf.Tensor) -> list[tf.Tensor]:
        return [v - STEP * _slope(_along(inner, v), delta) + constant]

    # The first iteration gives the constant. A loop of TensorFlow's compiles in a fraction of the time.
    [v] = tf.while_loop(lambda _: True, iterate, [constant], maximum_iterations=iterations - 1)
    v = tf.stop_gradient(v)
    return outer(delta) - STEP * _along(inner, v)(delta)


def _along(objective: Objective, v: tf.Tensor) -> Objective:
    """The slope of `objective` in the direction of `v`."""
    return lambda delta: tf.reduce_sum(_slope(objective, delta) * v)


def _slope(objective: Objective, delta: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(delta)
        value = objective(delta)
    return tape.gradient(value, delta, unconnected_gradients="zero")
