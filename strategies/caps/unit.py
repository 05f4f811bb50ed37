"""UNIT (Cheng et al., "UNIT: Backdoor Mitigation via Automated Neural Distribution Tightening", ECCV 2024).

Min over bounds b ≥ 0 of CE(min(f, b)) + c · Σ mean(b) over layers, from b = mean + 4 · std of clean activations f.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from fineprune.checks import Count, Fraction, Layers, Natural, Positive
from fineprune.data.split import Split, hold_out
from fineprune.network.network import Network
from fineprune.network.step import Cap, Step
from fineprune.strategy import LABELS, Strategy
from fineprune.training.cost import CostSearch
from fineprune.training.loop import train
from fineprune.training.losses import cross_entropy


class NeuralTightening(Strategy):
    """Tightens a bound on each channel of `layers`; every `record` iterations a step with the tightest so far.

    These are the tightest that cost at most `accuracy_degrade` of the accuracy on a fifth of the images, kept apart.
    Unlike in the authors' code, there is one bound for a channel, not one for each of its positions, and an iteration
    takes a batch.
    """

    needs, trains = LABELS, True
    trials = ({"iterations": 4, "record": 2, "batch_size": 16, "accuracy_degrade": 0.5},)

    layers: Layers = "all"
    learning_rate: Positive = 0.001
    iterations: Count = 300
    batch_size: Count = 500
    accuracy_degrade: Fraction = 0.03
    record: Count = 10
    seed: Natural = 0

    def steps(self, network: Network, clean: Split, **oracle: Any) -> Iterator[Step]:
        twin = network.masked(Cap, layers=network.activated(self.layers))
        rest, watched = hold_out(clean, 0.2, self.seed)
        ends = [network.unit(layer).end for layer in twin.shapes]
        moments = network.moments(ends, rest)
        start = np.concatenate([np.maximum(mean + 4 * std, 0) for mean, std in map(moments.__getitem__, ends)])
        bounds = twin.masks(start, within=(0, np.inf))
        least = twin.accuracy(tf.fill(twin.size, np.inf), watched) - self.accuracy_degrade
        search = CostSearch(bounds.numpy(), least, cost=1e-3)
        cost, records = tf.Variable(search.cost), [search.best]

        def size() -> tf.Tensor:
            return tf.add_n(list(map(tf.reduce_mean, twin.parts(bounds))))

        def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            return cross_entropy(labels, twin(images, bounds)) + cost * size()

        def follow(number: int, _: float) -> None:
            search.add(bounds.numpy(), float(size()), twin.accuracy(bounds, watched))
            cost.assign(search.cost)
            records.append(search.best)

        batches = rest.batches(self.batch_size, self.seed, steps=self.iterations)
        optimizer = keras.optimizers.Adam(self.learning_rate, 0.5, 0.9)
        train(loss, [bounds], batches, optimizer, what="UNIT", watch=follow)
        for iteration in [*range(0, self.iterations, self.record), self.iterations]:
            yield Step(twin.edits(records[iteration]), iteration, "iteration")
