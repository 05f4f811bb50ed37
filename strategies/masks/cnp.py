"""Contrastive neuron pruning (Feng et al., "Contrastive Neuron Pruning for Backdoor Defense", TIP 2025).

Min over masks m in [0, 1] of −mean log softmax(s / τ) over the three positive among six cosines s of features: of the
masked network, on clean images, under the trigger and under noise, with the clean ones (positive) and those under the
trigger (negative) of the untouched network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tf_keras as keras

from fineprune.checks import Count, Fraction, Natural, NonNegative, Positive, checked
from fineprune.network.step import Array, Scale
from fineprune.strategy import Form, NormStrategy
from fineprune.training.inversion import Trigger, invert, suspect
from fineprune.training.loop import train
from fineprune.training.perturbing import worst_noise

if TYPE_CHECKING:
    from fineprune.data.split import Split
    from fineprune.network.network import Network


class ContrastiveNeuronPruning(NormStrategy):
    """Prunes the γ that tell images under an inverted trigger from clean ones.

    The trigger is inverted for the class that gains most images under noise. Labels are the network's own.
    Needs batch normalisation.
    """

    trains = True
    trials = ({"epochs": 2, "inverting_epochs": 2, "batch_size": 16},)

    @checked("strategy")
    def __init__(
        self,
        epsilon: Positive = 0.4,
        temperature: Positive = 0.3,
        learning_rate: Positive = 0.2,
        momentum: Fraction = 0.9,
        epochs: Count = 150,
        inverting_rate: Positive = 0.005,
        inverting_cost: NonNegative = 0.01,
        inverting_epochs: Count = 100,
        batch_size: Count = 128,
        form: Form = "published",
        chunk: Count = 4,
        seed: Natural = 0,
    ) -> None:
        super().__init__(form, chunk=chunk)
        self.epsilon, self.temperature, self.batch_size, self.seed = epsilon, temperature, batch_size, seed
        self.learning_rate, self.momentum, self.epochs = learning_rate, momentum, epochs
        self.inverting = {"learning_rate": inverting_rate, "cost": inverting_cost}
        self.inverting_epochs = inverting_epochs

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        twin, trigger = network.masked(Scale, batch_statistics=True), Trigger(clean.shape, clean.white, self.seed)
        masks, ones, random = twin.masks(), tf.ones(twin.size), tf.random.Generator.from_seed(self.seed)
        target = suspect(network, clean.batches(self.batch_size, self.seed, epochs=5), self.epsilon, self.seed)
        batches = clean.batches(self.batch_size, self.seed, epochs=self.inverting_epochs)
        invert(network, target, trigger, batches, **self.inverting)

        def loss(images: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            poisoned, labels = trigger(images), tf.argmax(twin(images, masks), axis=-1)
            delta, xi = worst_noise(twin, masks, images, labels, self.epsilon, random)
            masked = [twin.features(images, masks), twin.features(poisoned, masks)]
            noised, near = twin.features(images, masks + delta, xi), twin.features(images, ones)
            return contrast([*masked, noised], near, twin.features(poisoned, ones), self.temperature)

        batches = clean.batches(self.batch_size, self.seed, epochs=self.epochs)
        train(loss, [masks], batches, keras.optimizers.SGD(self.learning_rate, self.momentum), what="CNP")
        return twin.by_layer(masks)


def contrast(features: Sequence[tf.Tensor], near: tf.Tensor, far: tf.Tensor, temperature: float) -> tf.Tensor:
    """How far each of `features`, (n, values), is from `near`, compared with `far`."""
    cosines = [-keras.losses.cosine_similarity(ours, theirs) for theirs in (near, far) for ours in features]
    shares = tf.nn.log_softmax(tf.stack(cosines, axis=-1) / temperature)
    return -tf.reduce_mean(shares[:, : len(features)])
