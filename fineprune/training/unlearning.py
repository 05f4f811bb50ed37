"""Unlearning: a network forgets its task, and what changes most, or least, on the way tells on the backdoor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
import tf_keras as keras

from fineprune.network.labels import accuracy
from fineprune.training.loop import Training

if TYPE_CHECKING:
    from fineprune.data.split import Split
    from fineprune.network.network import Network


def unlearn(
    network: Network,
    clean: Split,
    optimizer: keras.optimizers.Optimizer,
    *,
    batch_size: int,
    epochs: int,
    stop: float,
    seed: int,
    decay: float = 0.0,
    in_training: bool = False,
) -> keras.Model:
    """A copy of `network`, emitting logits, of which all weights went up the cross-entropy of clean images.

    It ends after the first epoch whose accuracy is at most `stop`, or after `epochs`. That is the accuracy on the
    batches as they were learnt, by batch statistics, with `in_training`, otherwise that of the copy after the epoch.
    `decay` is the weight of the L2 norm, ½‖w‖², which falls meanwhile.
    """
    model = network.logits
    variables, right = model.trainable_variables, keras.metrics.SparseCategoricalAccuracy()
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        logits = model(images, training=True)
        right.update_state(labels, logits)
        value = entropy(labels, logits)
        return value - decay * tf.add_n(list(map(tf.nn.l2_loss, variables))) if decay else value

    def forgotten(number: int) -> bool:
        if number % an_epoch:
            return False
        value = float(right.result()) if in_training else accuracy(lambda images: model(images, training=False), clean)
        right.reset_state()
        return value <= stop

    an_epoch = -(-len(clean) // batch_size)
    batches = clean.batches(batch_size, seed, epochs=epochs)
    Training(loss, variables, optimizer, ascend=True).run(batches, "unlearning", forgotten)
    return model
