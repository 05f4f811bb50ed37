"""Every way of fine-tuning that the command line offers, and the equations of those that are more than training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from hydra.utils import get_class, instantiate
from nets import copies, linear, residual, same
from omegaconf import OmegaConf
from samples import pictures, split
from settings import CONF, compose

from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, in_memory
from fineprune.network.network import Network
from fineprune.network.step import Mask, Scale, Silence, Step
from fineprune.training.fine_tuning import FineTuning
from fineprune.training.tuning.fst import FeatureShift
from fineprune.training.tuning.ft_sam import SharpnessAware
from fineprune.training.tuning.ibau import ImplicitUnlearning, implicit
from fineprune.training.tuning.tsbd import ActivenessAware

pytestmark = pytest.mark.slow

TUNINGS = sorted(file.stem for file in CONF.glob("finetune/*.yaml") if file.stem != "none")
IMAGES = split(pictures(40), 5)
PRUNED = Step(
    [
        Silence("stem", np.array([1, 0, 1, 1, 1, 1.0])),
        Scale("inner_norm", np.array([1, 1, 0, 1, 1, 1.0])),
        Mask("output", np.tile([[1, 0, 1, 1, 1.0]], (6, 1))),
    ]
)


def tuning(name: str, **settings: Any) -> FineTuning:
    chosen = compose(f"finetune={name}").finetune
    made: FineTuning = instantiate(OmegaConf.merge(chosen, get_class(chosen._target_).trial, settings))
    return made


@pytest.mark.parametrize("name", TUNINGS)
def test_what_was_pruned_stays_zero_the_rest_learns_and_the_network_stays(name: str) -> None:
    network = Network(residual())
    before = copies(network.model.get_weights())
    tuned = tuning(name, hold=True).tune(network, PRUNED, IMAGES, 0, "test")
    assert not tuned.get_layer("stem").get_weights()[0][..., 1].any()
    assert tuned.get_layer("inner_norm").gamma.numpy()[2] == 0
    assert not tuned.get_layer("output").get_weights()[0][:, 1].any()
    assert not np.array_equal(
        tuned.get_layer("outer").get_weights()[0], network.model.get_layer("outer").get_weights()[0]
    )
    assert same(network.model.get_weights(), before)
    assert tuned(np.ones((2, 12, 10, 3), np.float32)).numpy().sum(axis=1) == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.parametrize("name", TUNINGS)
def test_zeros_may_regrow_where_they_are_not_held_and_tables_say_so(name: str) -> None:
    free = tuning(name, hold=False)
    tuned = free.tune(Network(residual()), PRUNED, IMAGES, 0, "test")
    assert tuned.get_layer("output").get_weights()[0][:, 1].all()
    assert free.name == f"{free.title}, not held"
    assert tuning(name, hold=True).name == free.title


@pytest.mark.parametrize("name", TUNINGS)
def test_the_same_seed_gives_the_same_net_and_it_is_saved_without_anything_of_ours(name: str, tmp_path: Path) -> None:
    first, again = (tuning(name).tune(Network(residual()), PRUNED, IMAGES, 3, "test") for _ in range(2))
    assert same(first.get_weights(), again.get_weights())
    assert all(layer.get_config().get("kernel_constraint") is None for layer in first.layers)


def test_each_has_a_title_of_its_own() -> None:
    assert [tuning(name).title for name in TUNINGS] == ["fine-tuning", "FST", "FT-SAM", "I-BAU", "activeness-aware"]


# A linear softmax classifier of two values, whose gradient is written down.
KERNEL = np.array([[1.0, -2, 0.5], [0.5, 1, -1]])
PIXELS = ArraySplit(
    np.array([[3, 1], [1, 2], [2, 2], [0, 1]], np.uint8).reshape(4, 1, 1, 2), np.array([0, 1, 2, 1]), Scaling(1.0)
)


def slope(kernel: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The gradient of the mean cross-entropy by the kernel, (2, 3)."""
    inputs = in_memory(PIXELS)[0].reshape(4, 2)
    scores = np.exp(inputs @ kernel)
    return inputs.T @ (scores / scores.sum(axis=1, keepdims=True) - targets) / 4


def tuned_kernel(tuning: FineTuning, seed: int = 0) -> np.ndarray:
    [kernel] = tuning.tune(Network(linear(KERNEL.tolist())), Step(), PIXELS, seed, "test").get_weights()
    return np.asarray(kernel)


def worst_slope(kernel: np.ndarray) -> np.ndarray:
    """The same, of smoothed labels, at the worst point near `kernel`."""
    smooth = np.where(np.eye(3)[PIXELS.labels] == 1, 0.9, 0.05)
    here = slope(kernel, smooth)
    return slope(kernel + 2 * kernel**2 * here / np.linalg.norm(kernel * here), smooth)


def test_sam_takes_the_gradient_at_the_worst_point_near_the_weights() -> None:
    ours = tuned_kernel(SharpnessAware(epochs=1, weight_decay=0))
    assert ours == pytest.approx(KERNEL - 0.01 * worst_slope(KERNEL), abs=1e-6)


def test_the_decay_of_sam_goes_through_the_momentum() -> None:
    first = -0.01 * (worst_slope(KERNEL) + 0.5 * KERNEL)
    once = KERNEL + first
    # The rate is that of a cosine, at half of its way.
    expected = once + 0.9 * first - 0.005 * (worst_slope(once) + 0.5 * once)
    assert tuned_kernel(SharpnessAware(epochs=2, weight_decay=0.5)) == pytest.approx(expected, abs=1e-6)


def test_the_second_stage_of_tsbd_takes_a_share_of_the_gradient_a_step_up_from_the_weights() -> None:
    targets = np.eye(3)[PIXELS.labels]
    here = slope(KERNEL, targets)
    there = slope(KERNEL + 0.05 * here / np.linalg.norm(here), targets)
    ours = tuned_kernel(ActivenessAware(epochs=1))
    assert ours == pytest.approx(KERNEL - 0.01 * (0.3 * here + 0.7 * there), abs=1e-6)
    assert ActivenessAware().name == "activeness-aware, not held"


def test_the_statistics_of_batch_normalisation_are_those_of_the_weights_as_they_are() -> None:
    network = Network(residual())
    tuned = SharpnessAware(epochs=1, batch_size=40).tune(network, Step(), IMAGES, 0, "test")
    once = network.logits
    once(in_memory(IMAGES)[0], training=True)
    for layer in ("stem_norm", "inner_norm", "outer_norm"):
        for ours, theirs in zip(
            tuned.get_layer(layer).non_trainable_weights, once.get_layer(layer).non_trainable_weights, strict=True
        ):
            assert ours.numpy() == pytest.approx(theirs.numpy(), rel=1e-4, abs=1e-5)


def test_feature_shift_draws_the_classifier_anew_goes_away_from_the_old_one_and_keeps_its_norm() -> None:
    drawn = np.random.default_rng(4).uniform(-1, 1, (2, 3)) / np.sqrt(2)
    stepped = drawn - 0.01 * (slope(drawn, np.eye(3)[PIXELS.labels]) + 0.5 * KERNEL)
    expected = stepped * np.linalg.norm(KERNEL) / np.linalg.norm(stepped)
    assert tuned_kernel(FeatureShift(epochs=1, alpha=0.5), seed=4) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("iterations", [1, 2, 5])
def test_the_implicit_gradient_of_parabolas_by_hand(iterations: int) -> None:
    # δ minimises ½ · 5 · (δ − 3θ)², so δ = 3θ; L = 2δ + θ. All of it: 2 · 3 + 1. A step of 0.1 halves what is missing.
    theta, delta = tf.Variable(0.7), tf.constant(0.2)
    with tf.GradientTape() as tape:
        value = implicit(
            lambda at: 2.5 * (at - 3 * theta) ** 2, lambda at: 2 * at + theta, delta, iterations=iterations
        )
    assert float(tape.gradient(value, theta)) == pytest.approx(1 + 2 * 3 * (1 - 0.5**iterations), rel=1e-5)


def test_without_perturbed_images_unlearning_is_training() -> None:
    # The first step of Adam is the rate, whatever the size of the gradient.
    expected = KERNEL - 0.001 * np.sign(slope(KERNEL, np.eye(3)[PIXELS.labels]))
    assert tuned_kernel(ImplicitUnlearning(rounds=1, portion=0.0)) == pytest.approx(expected, abs=1e-5)


def test_a_perturbation_that_leads_astray_does_so_less_once_it_is_unlearned() -> None:
    def misled(model: keras.Model) -> float:
        """How far one step up the loss of all images together, as the attack takes it, raises that loss."""
        images, labels = (tf.constant(array) for array in in_memory(IMAGES))
        delta = tf.Variable(tf.zeros((1, *IMAGES.shape)))
        with tf.GradientTape() as tape:
            before = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, model(images + delta)))
        after = model(images + 10 * tape.gradient(before, delta))
        return float(tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, after)) - before)

    network = Network(residual())
    tuned = ImplicitUnlearning(rounds=3, portion=0.5, batch_size=40, learning_rate=0.01).tune(
        network, Step(), IMAGES, 0, "test"
    )
    assert misled(tuned) < 0.8 * misled(network.model)
