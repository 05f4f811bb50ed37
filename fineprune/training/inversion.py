"""A trigger that is found in clean images alone: the class that it may lead to, and what it looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf
import tf_keras as keras

from fineprune.network.step import Scale
from fineprune.progress import stage
from fineprune.training.loop import train, unwrap_data_errors
from fineprune.training.losses import cross_entropy
from fineprune.training.perturbing import worst_noise

if TYPE_CHECKING:
    from fineprune.data.scaling import Level
    from fineprune.network.network import Network


def suspect(network: Network, batches: tf.data.Dataset, epsilon: float, seed: int) -> int:
    """The class that gains most images by noise on the batch normalisations, `worst_noise`; of equal ones the first.

    Raises NotApplicable where there are none.
    """
    twin, random = network.masked(Scale), tf.random.Generator.from_seed(seed)
    ones = tf.ones(twin.size)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def gains(images: tf.Tensor) -> tf.Tensor:
        labels = tf.argmax(twin(images, ones), axis=-1)
        delta, xi = worst_noise(twin, ones, images, labels, epsilon, random)
        noised = tf.argmax(twin(images, ones + delta, xi), axis=-1)
        return tf.reduce_sum(tf.one_hot(noised, network.classes) - tf.one_hot(labels, network.classes), axis=0)

    with stage("looking for the class that noise leads to"), unwrap_data_errors():
        return int(sum(gains(images).numpy() for images, _ in batches).argmax())


class Trigger:
    """A `pattern`, (H, W, C), of values from black, 0, to white, 1, and the `mask`, (H, W, 1), that lays it on images.

    Both are drawn evenly from 0 to 1. `black` and `white` are those of the images, (n, H, W, C).
    """

    def __init__(self, shape: tuple[int, int, int], black: Level, white: Level, seed: int) -> None:
        random = tf.random.Generator.from_seed(seed)
        self.pattern, self.mask = (
            tf.Variable(random.uniform(size), constraint=lambda values: tf.clip_by_value(values, 0, 1))
            for size in (shape, (*shape[:2], 1))
        )
        self._black, self._span = black, white - black

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        return (1 - self.mask) * images + self.mask * self.pattern * self._span + self.mask * self._black


def invert(
    network: Network,
    target: int,
    trigger: Trigger,
    batches: tf.data.Dataset,
    learning_rate: float,
    cost: float,
) -> None:
    """Let Adam make of `trigger` one that sends images to the class `target`, and whose mask has a small L1 norm.

    `cost` is the weight of that norm beside the cross-entropy (Wang et al., "Neural Cleanse", S&P 2019, without its
    search for that weight).
    """
    scores = network.logits

    def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        wanted = tf.fill(tf.shape(labels), tf.constant(target, labels.dtype))
        sent = cross_entropy(wanted, scores(trigger(images), training=False))
        return sent + cost * tf.reduce_sum(tf.abs(trigger.mask))

    optimizer = keras.optimizers.Adam(learning_rate)
    train(loss, [trigger.pattern, trigger.mask], batches, optimizer, what=f"inverting a trigger of class {target}")
