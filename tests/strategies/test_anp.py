"""Adversarial neuron pruning, against gradients that plain Keras finds."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from samples import pictures, split
from steps import kept

from fineprune.errors import NotApplicable
from fineprune.network.network import Network
from fineprune.network.step import Scale, Silence
from fineprune.strategies.masks.anp import AdversarialNeuronPruning
from fineprune.testing import NETWORKS

pytestmark = pytest.mark.slow

ONCE = {"chunk": 1, "iterations": 1, "batch_size": 24, "momentum": 0.0, "learning_rate": 0.5}


def scores(**settings: object) -> np.ndarray:
    network = Network(NETWORKS["normalised"]())
    scores = AdversarialNeuronPruning(**{**ONCE, **settings}).scores(network, split(pictures(24), 5))
    return np.concatenate(list(scores.values()))


def gradients(gammas: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the cross-entropy of all images, in training mode, by γ and β, where these are multiplied as given."""
    model = Network(NETWORKS["normalised"]()).logits
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    ends = np.cumsum([norm.gamma.shape[0] for norm in norms])[:-1]
    for norm, factor, shift in zip(norms, np.split(gammas, ends), np.split(betas, ends), strict=True):
        norm.gamma.assign(norm.gamma * factor)
        norm.beta.assign(norm.beta * shift)
    images = split(pictures(24), 5)
    variables = [variable for norm in norms for variable in (norm.gamma, norm.beta)]
    with tf.GradientTape() as tape:
        logits = model(images.inputs(0, 24), training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(images.labels, logits))
    gradients = [gradient.numpy() for gradient in tape.gradient(loss, variables)]
    return np.concatenate(gradients[::2]), np.concatenate(gradients[1::2])


def untouched() -> np.ndarray:
    network = Network(NETWORKS["normalised"]())
    return np.concatenate([network.model.get_layer(norm).gamma.numpy() for norm in network.norms])


def test_without_noise_a_step_goes_down_the_gradient_of_the_mask_and_stays_within_0_and_1() -> None:
    one = np.ones(10, np.float32)
    slope, _ = gradients(one, one)
    assert scores(alpha=1.0) == pytest.approx(np.clip(1 - 0.5 * slope * untouched(), 0, 1), abs=1e-4)
    assert (scores(alpha=1.0) < 1).any()


def test_the_noise_is_drawn_and_then_goes_one_sign_step_up_the_loss() -> None:
    noise = tf.random.Generator.from_seed(3).uniform((2, 10), -0.4, 0.4).numpy()
    slope, shift = gradients(1 + noise[0], 1 + noise[1])
    # ξ multiplies β: the gradient by it is that by β times β.
    network = Network(NETWORKS["normalised"]())
    beta = np.concatenate([network.model.get_layer(norm).beta.numpy() for norm in network.norms])
    worst = noise + 0.4 * np.sign([slope * untouched(), shift * beta])
    robust, _ = gradients(1 + worst[0], 1 + worst[1])
    expected = np.clip(1 - 0.5 * robust * untouched(), 0, 1)
    assert scores(alpha=0.0, seed=3) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("form", "edit"), [("published", Scale), ("silent", Silence)])
def test_the_lowest_masks_are_pruned_first_in_the_form_that_is_asked_for(form: str, edit: type) -> None:
    network, images = Network(NETWORKS["normalised"]()), split(pictures(24), 5)
    strategy = AdversarialNeuronPruning(**ONCE, form=form)
    steps = list(strategy.steps(network, images))
    assert len(steps) == 10
    assert all(isinstance(edit_, edit) for step in steps for edit_ in step.edits)
    first = np.concatenate(list(kept(steps[0]).values()))
    assert np.argmin(first) == np.argmin(scores())


def test_it_needs_batch_normalisation() -> None:
    with pytest.raises(NotApplicable, match=r"^expected a network with batch normalisation to mask"):
        AdversarialNeuronPruning(**ONCE).scores(Network(NETWORKS["plain"]()), split(pictures(24), 5))
