"""Ordinary use: further training on a few clean images, by someone who knows of no backdoor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
import tf_keras as keras

from fineprune.aftermath.base import Aftermath
from fineprune.checks import Count, Fraction, Positive, call
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, Split, in_memory, sample
from fineprune.network.network import emits_logits
from fineprune.training.loop import train


@dataclass(frozen=True)
class Sgd:
    """SGD over `epochs` passes; `clean` is how many clean images are drawn, if there are more."""

    clean: Count = 1000
    epochs: Count = 5
    batch_size: Count = 128
    learning_rate: Positive = 0.01
    momentum: Fraction = 0.9


class CleanRetuning(Aftermath):
    """Trains all weights by SGD on a few clean images, as does `Retuning`. What was pruned may regrow."""

    title: ClassVar[str] = "clean_retuning"

    def __init__(self, **sgd: Any) -> None:
        self.sgd = call(f"aftermath.{self.title}", Sgd, **sgd)

    def change(self, net: keras.Model, clean: Split, poisoned: Split | None, seed: int, what: str) -> None:
        parts = [sample(clean, self.sgd.clean, seed), *filter(None, [poisoned])]
        images, labels = (np.concatenate(arrays) for arrays in zip(*map(in_memory, parts), strict=True))
        entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=emits_logits(net))

        def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            return entropy(labels, net(images, training=True))

        net.trainable = True
        keras.utils.set_random_seed(seed)
        batches = ArraySplit(images, labels, Scaling()).batches(self.sgd.batch_size, seed, epochs=self.sgd.epochs)
        optimizer = keras.optimizers.SGD(self.sgd.learning_rate, self.sgd.momentum)
        train(loss, net.trainable_variables, batches, optimizer, what=what)
