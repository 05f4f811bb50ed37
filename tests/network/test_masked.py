"""The network with masks that can be learnt: what a mask means is what the edit of the same name means."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from nets import tiny
from samples import pictures, split

from fineprune.errors import ModelError, NotApplicable
from fineprune.evaluation.predict import predict
from fineprune.network.labels import accuracy
from fineprune.network.network import Network
from fineprune.network.step import Cap, Mask, Scale, Silence, Step
from fineprune.testing import NETWORKS

layers = keras.layers


def logits_of(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return Network(model).logits.predict(images, verbose=0)


def images_of(network: Network) -> np.ndarray:
    return pictures(12, network.input_shape).astype(np.float32) / 255


@pytest.mark.parametrize("name", ["plain", "normalised", "residual", "concatenated", "nested"])
@pytest.mark.parametrize("edit", [Silence, Scale, Mask])
@pytest.mark.slow
def test_masks_mean_what_the_edit_means(name: str, edit: type) -> None:
    network = Network(NETWORKS[name]())
    if edit is Scale and not network.norms:
        pytest.skip("nothing to scale")
    twin = network.masked(edit)
    masks = np.random.default_rng(0).choice([0, 0.5, 1], twin.size).astype(np.float32)
    step = Step([edit(layer, part) for layer, part in twin.by_layer(masks).items()])
    ours = twin(tf.constant(images_of(network)), tf.constant(masks)).numpy()
    assert ours == pytest.approx(logits_of(network.pruned(step), images_of(network)), abs=1e-4)


@pytest.mark.parametrize("name", ["plain", "residual", "concatenated"])
@pytest.mark.slow
def test_caps_mean_what_the_edit_means(name: str) -> None:
    network = Network(NETWORKS[name]())
    twin = network.masked(Cap)
    caps = np.random.default_rng(0).uniform(0, 0.5, twin.size).astype(np.float32)
    step = Step([Cap(layer, part) for layer, part in twin.by_layer(caps).items()])
    ours = twin(tf.constant(images_of(network)), tf.constant(caps)).numpy()
    assert ours == pytest.approx(logits_of(network.pruned(step), images_of(network)), abs=1e-4)


def test_the_accuracy_of_a_twin_is_that_of_the_pruned_net() -> None:
    network, images = Network(NETWORKS["plain"]()), split(pictures(30), 5)
    twin = network.masked(Cap, layers=["conv_2"])
    caps = np.full(twin.size, 0.1, np.float32)
    labels = predict(network.pruned(Step([Cap("conv_2", caps)])), images)
    assert twin.accuracy(tf.constant(caps), images) == np.mean(labels == images.labels)


def test_accuracy_of_scores_that_overflow_is_an_error() -> None:
    with pytest.raises(ModelError, match=r"^expected the network to give every image finite scores"):
        accuracy(lambda images: tf.fill((len(images), 5), np.nan), split(pictures(4), 5))


def test_masks_to_learn_start_where_they_are_told_and_stay_within_their_bounds() -> None:
    twin = Network(NETWORKS["normalised"]()).masked(Scale)
    ones, others = twin.masks(), twin.masks(np.arange(10.0), within=(np.arange(10) / 2, np.inf))
    assert ones.numpy().tolist() == [1] * 10
    assert others.numpy().tolist() == list(range(10))
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build([ones, others])
    optimizer.apply_gradients([(tf.fill(10, 3.0), ones), (tf.fill(10, 3.0), others)])
    assert ones.numpy().tolist() == [0] * 10
    assert others.numpy().tolist() == [max(start - 3, start / 2) for start in range(10)]


def test_masks_stand_for_edits_of_their_layers() -> None:
    twin = Network(NETWORKS["normalised"]()).masked(Scale)
    edits = twin.edits(twin.masks(np.arange(10.0)))
    assert [(type(edit), edit.layer, edit.factors.tolist()) for edit in edits] == [
        (Scale, "norm_1", [0, 1, 2, 3]),
        (Scale, "norm_2", [4, 5, 6, 7, 8, 9]),
    ]


def test_a_mask_of_a_filter_is_one_of_all_its_weights() -> None:
    network = Network(NETWORKS["plain"]())
    twin, images = network.masked(Mask, filters=True), tf.constant(images_of(network))
    assert twin.size == 4 + 6
    masks = np.random.default_rng(0).uniform(0, 1, twin.size).astype(np.float32)
    expected = logits_of(network.pruned(Step(twin.edits(masks))), images_of(network))
    assert twin(images, tf.constant(masks)).numpy() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["normalised", "nested", "no_pooling"])
def test_features_are_what_arrives_at_the_classifier(name: str) -> None:
    network = Network(NETWORKS[name]())
    twin, images = network.masked(Silence), tf.constant(images_of(network))
    masks = tf.constant(np.random.default_rng(0).uniform(0, 1, twin.size).astype(np.float32))
    kernel, bias = network.model.get_layer(network.classifier).get_weights()
    expected, features = twin(images, masks).numpy(), twin.features(images, masks)
    assert features.numpy() @ kernel + bias == pytest.approx(expected, abs=1e-4)
    assert twin.classified(features, masks).numpy() == pytest.approx(expected, abs=1e-4)


def test_shifts_multiply_beta() -> None:
    network = Network(NETWORKS["normalised"]())
    twin = network.masked()
    shifts = np.random.default_rng(0).uniform(-1, 1, twin.size).astype(np.float32)
    shifted = keras.models.clone_model(network.model)
    shifted.set_weights(network.model.get_weights())
    for layer, part in twin.by_layer(shifts).items():
        shifted.get_layer(layer).beta.assign(shifted.get_layer(layer).beta * (1 + part))
    ours = twin(tf.constant(images_of(network)), tf.ones(twin.size), tf.constant(shifts)).numpy()
    assert ours == pytest.approx(logits_of(shifted, images_of(network)), abs=1e-4)


def test_batch_statistics_are_those_of_keras_in_training_and_none_are_remembered() -> None:
    network = Network(NETWORKS["normalised"]())
    images = tf.constant(images_of(network))
    twin = network.masked(batch_statistics=True)
    before = [array.copy() for array in network.model.get_weights()]
    ours = twin(images, tf.ones(twin.size))
    assert ours.numpy() == pytest.approx(network.logits(images, training=True).numpy(), abs=1e-3)
    assert all(map(np.array_equal, before, network.model.get_weights()))


def test_batch_statistics_of_images_and_their_gradients_are_those_of_the_plain_equation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = Network(NETWORKS["normalised"]())
    twin, images = network.masked(batch_statistics=True), tf.constant(images_of(network))
    values = np.random.default_rng(0).uniform(-0.5, 1, (2, twin.size)).astype(np.float32)

    def plain(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float, **_: object) -> SimpleNamespace:
        mean = tf.reduce_mean(x, (0, 1, 2))
        deviation = tf.sqrt(tf.reduce_mean((x - mean) ** 2, (0, 1, 2)) + epsilon)
        return SimpleNamespace(y=(x - mean) / deviation * scale + offset)

    def scores_and_slopes() -> list[np.ndarray]:
        masks, shifts = map(tf.constant, values)
        with tf.GradientTape() as tape:
            tape.watch([masks, shifts])
            scores = twin(images, masks, shifts)
            first = tf.reduce_sum(scores[:, 0])
        return [scores.numpy(), *(slope.numpy() for slope in tape.gradient(first, [masks, shifts]))]

    fast = scores_and_slopes()
    monkeypatch.setattr(tf.raw_ops, "FusedBatchNormV3", plain)
    for ours, theirs in zip(fast, scores_and_slopes(), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-3)


def test_the_gradient_is_that_of_finite_differences() -> None:
    network = Network(NETWORKS["normalised"]())
    twin, images = network.masked(), tf.constant(images_of(network))
    masks = tf.Variable(np.random.default_rng(1).uniform(0.5, 1, twin.size).astype(np.float32))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(twin(images, masks)[:, 0])
    gradient = tape.gradient(total, masks).numpy()
    for unit in (0, 3, 7):
        nudge = np.zeros(twin.size, np.float32)
        nudge[unit] = 1e-2
        sides = [float(tf.reduce_sum(twin(images, masks + sign * nudge)[:, 0])) for sign in (1, -1)]
        assert (sides[0] - sides[1]) / 2e-2 == pytest.approx(gradient[unit], rel=0.1, abs=0.05)


def test_without_what_is_masked_it_is_not_applicable() -> None:
    with pytest.raises(NotApplicable, match=r"^expected a network with batch normalisation to mask, got one without"):
        Network(tiny()).masked(Scale)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.slow
def test_logits_are_what_softmax_makes_the_scores_of(name: str) -> None:
    network = Network(NETWORKS[name]())
    scores = tf.nn.softmax(network.logits.predict(images_of(network), verbose=0)).numpy()
    assert scores == pytest.approx(network.model.predict(images_of(network), verbose=0), abs=1e-5)


def test_a_softmax_layer_of_its_own_is_left_out_and_scores_without_one_stay() -> None:
    image = keras.Input((2,), name="image")
    dense = keras.layers.Dense(3, name="dense")(image)
    apart = keras.Model(image, keras.layers.Softmax(name="softmax")(dense))
    images = np.ones((1, 2), np.float32)
    expected = keras.Model(image, dense).predict(images, verbose=0)
    assert np.array_equal(Network(apart).logits.predict(images, verbose=0), expected)
    assert np.array_equal(Network(keras.Model(image, dense)).logits.predict(images, verbose=0), expected)


@pytest.mark.parametrize("softmax", ["fused", "activation", "layer"])
@pytest.mark.parametrize("last", [layers.Flatten(), layers.Reshape((3,)), layers.Activation("linear")])
def test_a_softmax_is_left_out_in_front_of_layers_that_only_reshape_too(softmax: str, last: Any) -> None:
    image = keras.Input((1, 1, 2), name="image")
    dense = layers.Dense(3, "softmax" if softmax == "fused" else None, name="dense")
    x = dense(image)
    x = x if softmax == "fused" else (layers.Activation("softmax") if softmax == "activation" else layers.Softmax())(x)
    x = layers.Flatten()(x) if isinstance(last, layers.Activation) else x
    network = Network(keras.Model(image, last.from_config(last.get_config())(x)))
    expected = np.ones((1, 2)) @ dense.get_weights()[0]
    assert network.logits.predict(np.ones((1, 1, 1, 2)), verbose=0) == pytest.approx(expected)
    assert network.model.predict(np.ones((1, 1, 1, 2)), verbose=0).sum() == pytest.approx(1)


def test_a_softmax_over_something_else_than_classes_has_no_logits() -> None:
    image = keras.Input((1, 2, 2), name="image")
    x = layers.Flatten()(layers.Dense(3, activation="softmax")(image))
    with pytest.raises(
        NotApplicable, match=r"^expected a last softmax over the 6 classes.*got one of shape \(1, 2, 3\)"
    ):
        Network(keras.Model(image, x)).logits  # noqa: B018


def test_each_copy_to_train_is_a_new_one_and_all_of_it_trains() -> None:
    model = NETWORKS["nested"]()
    model.get_layer("base").trainable = False
    network = Network(model)
    copy = network.logits
    assert len(copy.trainable_variables) == len(copy.variables) == 6
    for variable in copy.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    assert np.any(network.logits.predict(images_of(network), verbose=0))
