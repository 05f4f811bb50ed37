"""Training with any loss, by hand and as Keras does it."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from nets import residual, tiny
from samples import pictures, split

from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit
from fineprune.errors import ConfigError, DataError
from fineprune.training.loop import Patience, train

PIXEL = ArraySplit(np.array([2, 4], np.uint8).reshape(2, 1, 1, 1), np.array([0, 1]), Scaling(1.0))  # of mean 3


def stepped(loss: Callable[..., tf.Tensor], value: float, rate: float = 0.5, **how: object) -> float:
    """What one step of gradient descent on the two pixels makes of a variable `w` of that value."""
    w = tf.Variable(float(value))
    how = {key: (lambda hook=hook: hook(w)) if callable(hook) else hook for key, hook in how.items()}
    batches = PIXEL.batches(2, 0, epochs=1)
    train(lambda images, labels: loss(w, images), [w], batches, keras.optimizers.SGD(rate), what="test", **how)
    return float(w)


def product(w: tf.Variable, images: tf.Tensor) -> tf.Tensor:
    return w * tf.reduce_mean(images)  # the gradient is 3


def test_a_step_goes_down_by_hand_or_up() -> None:
    assert stepped(product, 1) == 1 - 0.5 * 3
    assert stepped(product, 1, ascend=True) == 1 + 0.5 * 3


def test_what_follows_a_step_may_clip() -> None:
    assert stepped(product, 1, after=lambda w: w.assign(tf.clip_by_value(w, 0, 1))) == 0


def test_a_variable_with_a_constraint_keeps_it() -> None:
    w = tf.Variable(1.0, constraint=lambda w: tf.clip_by_value(w, 0, 1))
    batches = PIXEL.batches(2, 0, epochs=1)
    train(lambda images, _: product(w, images), [w], batches, keras.optimizers.SGD(0.5), what="test")
    assert w == 0


def test_a_watch_sees_each_step_and_may_end_the_training() -> None:
    w, seen = tf.Variable(1.0), []

    def watch(number: int, loss: float) -> bool:
        seen.append((number, loss, float(w)))
        return number == 2

    batches = PIXEL.batches(2, 0, epochs=5)
    train(lambda images, _: product(w, images), [w], batches, keras.optimizers.SGD(0.5), what="test", watch=watch)
    assert seen == [(1, 3.0, -0.5), (2, -1.5, -2.0)]


def test_a_training_that_diverges_says_at_which_step() -> None:
    """By a rate of 10²⁰ the weight becomes −3·10²⁰, whose square is beyond single precision."""
    w, optimizer = tf.Variable(1.0), keras.optimizers.SGD(1e20)
    batches = PIXEL.batches(2, 0, epochs=5)
    with pytest.raises(ConfigError, match=r"^expected test to keep its loss finite, got inf in step 2: set a lower"):
        train(lambda images, _: product(w, images) * w / 2, [w], batches, optimizer, what="test")


def test_patience_ends_after_so_many_steps_whose_loss_is_no_better() -> None:
    """Better than 10 is what is below 9, than 8 what is below 7.2: then 8, 7.2 and 7.3 wear out a patience of two."""
    patience = Patience(2, 0.9)
    assert [patience(0, loss) for loss in (10, 9.5, 9, 8, 8, 7.2, 7.3)] == [False] * 6 + [True]


def test_a_loss_may_hold_a_step_of_its_own() -> None:
    def sharpness_aware(w: tf.Variable, _: tf.Tensor) -> tf.Tensor:
        """SAM on w²: climb by ½ in the direction of the gradient, 2w, and take the gradient there."""
        with tf.GradientTape() as tape:
            here = w**2
        climb = 0.5 * tf.sign(tape.gradient(here, w))
        w.assign_add(climb)
        there = w**2
        w.assign_sub(climb)
        return there

    assert stepped(sharpness_aware, 1, rate=0.25) == 1 - 0.25 * 2 * 1.5


@pytest.mark.parametrize("build", [tiny, residual])
@pytest.mark.slow
def test_cross_entropy_is_trained_as_keras_does(build: Callable[[], keras.Model]) -> None:
    images = split(pictures(40), 5)
    batches = images.batches(16, 0, epochs=3)
    ours, theirs = build(), build()

    def loss(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        scores = ours(images, training=True)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, scores))

    train(loss, ours.trainable_variables, batches, keras.optimizers.SGD(0.01, momentum=0.9), what="test")
    theirs.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy")
    theirs.fit(batches, verbose=0)
    for our, their, before in zip(ours.get_weights(), theirs.get_weights(), build().get_weights(), strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-6)
        assert not np.array_equal(our, before)


class Changed(ArraySplit):
    def pixels(self, start: int, stop: int) -> np.ndarray:
        raise DataError("expected a.h5 to stay as it is, got another: run again on a copy")


@pytest.mark.slow
def test_images_that_cannot_be_read_say_so_in_their_own_words() -> None:
    changed = Changed(pictures(4), np.arange(4), 1.0)
    w = tf.Variable(1.0)
    with pytest.raises(DataError) as error:
        train(
            lambda images, _: product(w, images), [w], changed.batches(2, 0, epochs=1), keras.optimizers.SGD(), what=""
        )
    assert str(error.value) == "expected a.h5 to stay as it is, got another: run again on a copy"
