"""Contrastive neuron pruning (Feng et al., "Contrastive Neuron Pruning for Backdoor Defense", TIP 2025).

Min over masks m in [0, 1] of −mean log softmax(s / τ) over the three positive among six cosines s of features: of the
masked network, on clean images, under the trigger and under noise, with the clean ones (positive) and those under the
trigger (negative) of the untouched network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import tensorflow as tf
import tf_keras as keras

from fineprune.checks import Count, Fraction, Natural, NonNegative, Positive
from fineprune.data.split import Split
from fineprune.network.network import Network
from fineprune.network.step import Array, Scale
from fineprune.strategy import NormStrategy
from fineprune.training.inversion import Trigger, invert, suspect
from fineprune.training.loop import train
from fineprune.training.losses import same_labels
from fineprune.training.perturbing import worst_noise

ROUND = 5  # epochs after which it is asked whether the rate is to be halved
LEAST_RATE = 0.01


class ContrastiveNeuronPruning(NormStrategy):
    """Prunes the γ that tell images under an inverted trigger from clean ones.

    The trigger is inverted for the class that gains most images under noise. Labels are the network's own. The rate is
    halved, down to 0.01, after three rounds of five epochs in which images under the trigger kept no more labels.
    Needs batch normalisation.
    """

    trains = True
    trials = ({"epochs": 2, "inverting_epochs": 2, "batch_size": 16},)

    epsilon: Positive = 0.4
    temperature: Positive = 0.3
    learning_rate: Positive = 0.2
    momentum: Fraction = 0.9
    epochs: Count = 150
    inverting_rate: Positive = 0.005
    inverting_cost: NonNegative = 0.01
    inverting_epochs: Count = 100
    batch_size: Count = 128
    chunk = 4
    seed: Natural = 0

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        twin = network.masked(Scale, batch_statistics=True)
        trigger = Trigger(clean.shape, clean.black, clean.white, self.seed)
        masks, ones, random = twin.masks(), tf.ones(twin.size), tf.random.Generator.from_seed(self.seed)
        target = suspect(network, clean.batches(self.batch_size, self.seed, epochs=5), self.epsilon, self.seed)
        batches = clean.batches(self.batch_size, self.seed, epochs=self.inverting_epochs)
        invert(network, target, trigger, batches, self.inverting_rate, self.inverting_cost)
        kept, a_round = tf.Variable(0.0), ROUND * -(-len(clean) // self.batch_size)
        optimizer = keras.optimizers.SGD(self.learning_rate, self.momentum)
        halving = keras.callbacks.ReduceLROnPlateau("kept", 0.5, patience=3, mode="max", min_lr=LEAST_RATE)
        halving.set_model(SimpleNamespace(optimizer=optimizer))

        def loss(images: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            poisoned = trigger(images)
            masked, under = twin.features(images, masks), twin.features(poisoned, masks)
            near, far = twin.features(images, ones), twin.features(poisoned, ones)
            kept.assign_add(same_labels(twin.classified(under, masks), twin.classified(near, ones)))
            labels = tf.argmax(twin.classified(masked, masks), axis=-1)
            delta, xi = worst_noise(twin, masks, images, labels, self.epsilon, random)
            noised = twin.features(images, masks + delta, xi)
            return contrast([masked, under, noised], near, far, self.temperature)

        def follow(number: int, _: float) -> None:
            if number % a_round == 0:
                halving.on_epoch_end(number, {"kept": float(kept) / (ROUND * len(clean))})
                kept.assign(0)

        batches = clean.batches(self.batch_size, self.seed, epochs=self.epochs)
        train(loss, [masks], batches, optimizer, what="CNP", watch=follow)
        return twin.by_layer(masks)


def contrast(features: Sequence[tf.Tensor], near: tf.Tensor, far: tf.Tensor, temperature: float) -> tf.Tensor:
    """How far each of `features`, (n, …), is from `near`, compared with `far`."""
    flat = keras.backend.batch_flatten
    cosines = [-keras.losses.cosine_similarity(flat(ours), flat(theirs)) for theirs in (near, far) for ours in features]
    shares = tf.nn.log_softmax(tf.stack(cosines, axis=-1) / temperature)
    return -tf.reduce_mean(shares[:, : len(features)])
