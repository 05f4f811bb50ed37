"""Maximum-margin backdoor mitigation (Wang, Xiang, Miller and Kesidis, "MM-BD", S&P 2024).

Min over bounds b ≥ 0 of MSE(logits under b, logits) + c · Σ ‖b‖₂ over layers, from b = 8.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from fineprune.checks import Count, Layers, Natural, Positive
from fineprune.data.split import Split
from fineprune.network.network import Network
from fineprune.network.step import Array, Cap, Step
from fineprune.strategy import Strategy
from fineprune.training.loop import train
from fineprune.training.losses import same_labels


class MaximumMarginMitigation(Strategy):
    """Lowers a bound on each channel of early layers, as little as the logits need; a step an epoch.

    `layers="auto"` are the first three activations. After epochs 21, 31, … c is multiplied by 1.2 where at least 95 %
    of the epoch's images kept the label that the untouched network gives, else divided by it. Unlike the authors' code,
    no labels are used: images that the network misclassifies count too, and have to keep their label.
    """

    trains = True
    trials = ({"epochs": 3, "batch_size": 16, "learning_rate": 1.0},)

    layers: Layers = "auto"
    start: Positive = 8.0
    cost: Positive = 0.5
    learning_rate: Positive = 0.1
    epochs: Count = 50
    batch_size: Count = 200
    per_class: Count = 50
    seed: Natural = 0

    def steps(self, network: Network, clean: Split, **oracle: Any) -> Iterator[Step]:
        auto = self.layers == "auto"
        twin = network.masked(Cap, layers=network.activated("all")[:3] if auto else network.activated(self.layers))
        bounds, cost = twin.masks(self.start, within=(0, np.inf)), tf.Variable(self.cost)
        kept = tf.Variable(0.0)  # labels, in this epoch so far
        untouched, images_an_epoch = network.logits, min(self.per_class * network.classes, len(clean))
        per_epoch = -(-images_an_epoch // self.batch_size)
        records: list[Array] = []

        def loss(images: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            expected, scores = untouched(images, training=False), twin(images, bounds)
            kept.assign_add(same_labels(scores, expected))
            parts = twin.parts(bounds)
            # The norm has no gradient where all bounds are 0.
            norms = [tf.sqrt(tf.reduce_sum(part**2) + 1e-12) for part in parts]
            return tf.reduce_mean((scores - expected) ** 2) + cost * tf.add_n(norms)

        def follow(number: int, _: float) -> None:
            epoch, more = divmod(number, per_epoch)
            if more:
                return
            records.append(bounds.numpy())
            if epoch > 20 and epoch % 10 == 1:
                cost.assign(cost * 1.2 if kept >= 0.95 * images_an_epoch else cost / 1.2)
            kept.assign(0)

        batches = clean.batches(self.batch_size, self.seed, epochs=self.epochs, limit=images_an_epoch)
        train(loss, [bounds], batches, keras.optimizers.Adam(self.learning_rate), what="MM-BM", watch=follow)
        for epoch, caps in enumerate(records, start=1):
            yield Step(twin.edits(caps), epoch, "epoch")
