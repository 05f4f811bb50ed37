"""Unlearning: a network forgets its task. Which weights change most meanwhile, or least, points at a backdoor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf
import tf_keras as keras

from fineprune.training.loop import train
from fineprune.training.losses import cross_entropy

if TYPE_CHECKING:
    from fineprune.network.network import Network


def unlearn(
    network: Network,
    batches: tf.data.Dataset,
    optimizer: keras.optimizers.Optimizer,
    *,
    every: int = 1,
    until: Callable[[keras.Model, float], bool] | None = None,
    decay: float = 0.0,
) -> keras.Model:
    """A copy of `network`, emitting logits, whose weights all climbed the cross-entropy of `batches` in training mode.

    It ends with the last of them, or once `until` is true, which is asked after `every` batches, an epoch as a rule: it
    is given the copy, and its accuracy on those batches as they were learnt. `decay` is the weight of the L2 norm,
    ½‖w‖², which falls meanwhile.
    """
    model = network.logits
    variables, accuracy = model.trainable_variables, keras.metrics.SparseCategoricalAccuracy()

    def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        logits = model(images, training=True)
        accuracy.update_state(labels, logits)
        value = cross_entropy(labels, logits)
        return value - decay * tf.add_n(list(map(tf.nn.l2_loss, variables))) if decay else value

    def forgotten(number: int, _: float) -> bool:
        if until is None or number % every:
            return False
        reached = until(model, float(accuracy.result()))
        accuracy.reset_state()
        return reached

    train(loss, variables, batches, optimizer, what="unlearning", ascend=True, watch=forgotten)
    return model
