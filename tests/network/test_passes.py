"""Images are counted as they go through a network, by whatever way."""

import gc
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from nets import tiny
from samples import pictures, split
from tensorflow.python.framework.func_graph import FuncGraph

from fineprune.data import split as splits
from fineprune.evaluation.predict import predict
from fineprune.network.network import Network
from fineprune.network.passes import Passes
from fineprune.network.step import Silence
from fineprune.training.fit import Recipe, fit
from fineprune.training.loop import train


def counted(work: Callable[[], object]) -> tuple[float, float]:
    passes = Passes()
    with passes.counting():
        work()
    return passes.forward, passes.backward


def test_activations_and_labels_take_one_pass_forward() -> None:
    network, images = Network(tiny()), split(pictures(300), 5)  # more than a block
    assert counted(lambda: network.activations("pool_1", images)) == (300, 0)
    assert counted(lambda: network.mean_activation("pool_1", images)) == (300, 0)
    assert counted(lambda: predict(network.model, images)) == (300, 0)


@pytest.mark.parametrize("compiled", [False, True])
def test_scores_count_forward_and_each_of_their_gradients_backward(compiled: bool) -> None:
    network, images = Network(tiny()), tf.constant(pictures(7), tf.float32)
    logits, twin = network.logits, network.masked(Silence)
    masks = tf.Variable(tf.ones(twin.size))

    def two_gradients_of_three_scores() -> object:
        with tf.GradientTape(persistent=True) as tape:
            first, second = tf.reduce_sum(logits(images)), tf.reduce_sum(twin(images, masks))
            logits(images)
        return tape.gradient(first, logits.trainable_variables), tape.gradient(second, masks)

    work = tf.function(two_gradients_of_three_scores) if compiled else two_gradients_of_three_scores
    assert counted(work) == (21, 14)
    assert counted(work) == (21, 14)  # not only when it is traced


def test_a_gradient_that_goes_through_two_passes_counts_both() -> None:
    logits, images = Network(tiny()).logits, split(pictures(6), 5)

    def loss(batch: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(logits(batch)) + tf.reduce_sum(logits(batch + 0.1))

    batches = images.batches(4, 0, epochs=3)  # of 4 and of 2 images
    work = lambda: train(loss, logits.trainable_variables, batches, keras.optimizers.SGD(1e-9), what="test")  # noqa: E731
    assert counted(work) == (2 * 3 * 6, 2 * 3 * 6)


def test_what_does_not_depend_on_what_is_learnt_counts_no_pass_backward() -> None:
    """The scores of an untouched network, to compare with, are constants, although its weights could be trained."""
    network, images = Network(tiny()), split(pictures(6), 5)
    untouched, twin = network.logits, network.masked(Silence)
    masks = twin.masks()

    def loss(batch: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum((twin(batch, masks) - untouched(batch)) * twin(batch, tf.ones(twin.size)))

    batches = images.batches(6, 0, epochs=1)
    assert counted(lambda: train(loss, [masks], batches, keras.optimizers.SGD(0.1), what="test")) == (18, 6)


def test_a_loop_in_a_loss_counts_as_often_as_it_runs() -> None:
    logits, images = Network(tiny()).logits, tf.constant(pictures(2), tf.float32)

    @tf.function
    def attack(steps: tf.Tensor) -> tf.Tensor:
        noise = tf.zeros_like(images)
        for _ in tf.range(steps):
            with tf.GradientTape() as tape:
                tape.watch(noise)
                loss = tf.reduce_sum(logits(images + noise))
            noise += tape.gradient(loss, noise)
        return noise

    assert counted(lambda: attack(tf.constant(5))) == (10, 10)


@pytest.mark.parametrize("memory", [splits.MEMORY, 1])
@pytest.mark.slow
def test_training_counts_validation_images_forward_alone(memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "MEMORY", memory)  # in memory, and streamed
    recipe = Recipe(epochs=3, batch_size=8, learning_rate=0.01, validation=0.1)
    assert counted(lambda: fit(tiny(), split(pictures(20), 5), recipe, "test", 0)) == (3 * 20, 3 * 18)


def test_training_that_stops_early_counts_the_epochs_that_it_took() -> None:
    recipe = Recipe(epochs=9, batch_size=20, learning_rate=1e-9, validation=0.5, patience=1)
    images = split(np.zeros((40, 12, 10, 3), np.uint8), 5)
    forward, backward = counted(lambda: fit(tiny(), images, recipe, "test", 0))
    assert 40 <= forward < 9 * 40
    assert backward == forward / 2


def test_a_learner_leaves_no_graph_behind() -> None:
    """A grid may have hundreds of them in one process."""
    images = split(pictures(6), 5)

    def graphs() -> int:
        logits = Network(tiny()).logits
        loss = lambda batch, _: tf.reduce_sum(logits(batch))  # noqa: E731
        batches = images.batches(6, 0, epochs=1)
        train(loss, logits.trainable_variables, batches, keras.optimizers.SGD(0.1), what="test")
        gc.collect()
        return sum(isinstance(each, FuncGraph) for each in gc.get_objects())

    graphs()
    assert graphs() == graphs()


def test_what_goes_through_outside_of_the_block_does_not_count() -> None:
    network, images, passes = Network(tiny()), split(pictures(5), 5), Passes()
    for _ in range(2):
        with passes.counting():
            network.mean_activation("pool_1", images)
        network.mean_activation("pool_1", images)
    assert passes == Passes(10, 0)
    assert passes.over(4) == Passes(2.5, 0)
