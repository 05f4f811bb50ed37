"""What a network has to withstand, and triggers that are inverted, by hand."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from samples import pictures, split
from tf_keras import layers

from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit
from fineprune.network.network import Network
from fineprune.testing import NETWORKS
from fineprune.training.inversion import Trigger, invert, suspect
from fineprune.training.losses import agree, cross_entropy, disagree
from fineprune.training.perturbing import perturbation, worst_noise


def test_losses_by_hand() -> None:
    """Chances of (0.8, 0.2) and (0.5, 0.5): the labels are equal with 0.4 + 0.1, and so differ as often."""
    ours, theirs = tf.math.log([[0.8, 0.2]]), tf.math.log([[0.5, 0.5]])
    assert float(cross_entropy(tf.constant([1]), ours)) == pytest.approx(-np.log(0.2))
    assert float(agree(ours, theirs)) == pytest.approx(np.log(2))
    assert float(disagree(ours, theirs)) == pytest.approx(np.log(2))


def test_disagreeing_has_a_slope_where_both_are_sure_of_the_same() -> None:
    scores = tf.constant([[15.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(scores)
        loss = disagree(scores, scores + 0)
    assert float(loss) == pytest.approx(-np.log(2 / (1 + np.exp(15)) + 1e-8), rel=1e-3)
    assert float(tape.gradient(loss, scores)[0, 0]) > 0.4


def test_the_worst_noise_raises_the_cross_entropy_and_is_at_most_two_epsilon() -> None:
    network, clean = Network(NETWORKS["normalised"]()), split(pictures(24), 5)
    twin, images = network.masked(), tf.constant(clean.inputs(0, 24))
    ones, labels = tf.ones(twin.size), tf.constant(clean.labels)
    delta, xi = worst_noise(twin, ones, images, labels, 0.01, tf.random.Generator.from_seed(0))
    assert max(np.abs(delta).max(), np.abs(xi).max()) <= 0.02
    noised, plain = cross_entropy(labels, twin(images, ones + delta, xi)), cross_entropy(labels, twin(images, ones))
    assert noised > plain


def test_adam_goes_its_rate_at_each_step_down_a_constant_slope() -> None:
    images = tf.zeros((2, 3, 3, 1))
    compiled = tf.function(lambda: perturbation(lambda change: 5 * tf.reduce_sum(change), images, 4, 0.25))
    assert compiled().numpy() == pytest.approx(-4 * 0.25, abs=1e-5)


def black_and_white() -> Network:
    """Class 1 where the first pixel is brighter than half; black pixels are 0, white ones 1."""
    image = keras.Input((2, 2, 1), name="image")
    model = keras.Model(image, layers.Dense(2, activation="softmax", name="output")(layers.Flatten()(image)))
    kernel = np.zeros((4, 2))
    kernel[0, 1] = 20
    model.get_layer("output").set_weights([kernel, np.array([0, -10])])
    return Network(model)


def test_a_trigger_is_inverted_where_the_network_looks_and_its_mask_is_gone_elsewhere() -> None:
    network = black_and_white()
    black = ArraySplit(np.zeros((8, 2, 2, 1), np.uint8), np.zeros(8, np.int64), Scaling(1 / 255))
    trigger = Trigger(black.shape, black.black, black.white, seed=0)
    invert(network, 1, trigger, black.batches(8, 0, epochs=200), learning_rate=0.05, cost=0.1)
    images = tf.zeros((1, 2, 2, 1))
    assert network.model(trigger(images)).numpy().argmax() == 1
    mask = trigger.mask.numpy().ravel()
    assert mask[0] > 0.5 and mask[1:] == pytest.approx(0, abs=0.05)
    assert trigger.pattern.numpy().min() >= 0 and trigger.pattern.numpy().max() <= 1


def test_a_trigger_lays_its_pattern_on_images_of_any_scale() -> None:
    trigger = Trigger((1, 1, 3), 0.0, 255.0, seed=0)
    trigger.mask.assign([[[0.25]]])
    trigger.pattern.assign([[[0.0, 0.5, 1.0]]])
    assert trigger(tf.fill((1, 1, 1, 3), 100.0)).numpy().ravel().tolist() == [75, 75 + 0.25 * 127.5, 75 + 0.25 * 255]


def test_the_suspect_is_the_class_that_noise_leads_to() -> None:
    """A white pixel is 1, for which class 0 scores 10 and class 1 9.99: any noise that the loss grows by is enough."""
    image = keras.Input((1, 1, 1), name="image")
    x = layers.BatchNormalization(epsilon=1e-6, name="norm")(image)
    model = keras.Model(image, layers.Dense(3, activation="softmax", name="output")(layers.Flatten()(x)))
    model.get_layer("output").set_weights([np.array([[10.0, 0, 0]]), np.array([0, 9.99, 0])])
    white = ArraySplit(np.full((4, 1, 1, 1), 255, np.uint8), np.zeros(4, np.int64), Scaling(1 / 255))
    assert suspect(Network(model), white.batches(4, 0, epochs=1), 0.4, 0) == 1


def test_where_noise_changes_no_label_the_first_class_is_suspected() -> None:
    clean = split(pictures(8), 5)
    assert suspect(Network(NETWORKS["normalised"]()), clean.batches(8, 0, epochs=1), 1e-9, 0) == 0
