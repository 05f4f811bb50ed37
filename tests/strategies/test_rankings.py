"""Strategies that score channels: each by a case worked by hand, and by a second computation that shares no code."""

from typing import Any

import numpy as np
import pytest
import scipy
import tensorflow as tf
import tf_keras as keras
from samples import pictures, split
from steps import kept
from tf_keras import layers

from fineprune.attacks import Patch
from fineprune.attacks.poisoning import PoisonedSplit
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit
from fineprune.errors import ConfigError, NotApplicable
from fineprune.network.network import Network
from fineprune.network.step import Scale, Silence
from fineprune.strategies.controls.norm import KernelNorm
from fineprune.strategies.oracles.ep import PreActivationEntropy
from fineprune.strategies.rankings.bnp import NormStatistics
from fineprune.strategies.rankings.clp import ChannelLipschitzness
from fineprune.strategies.rankings.fmp import FeatureMapPruning
from fineprune.strategies.rankings.noise_weight_change import NoiseWeightChange
from fineprune.strategy import ChannelStrategy, NormStrategy
from fineprune.testing import NETWORKS

SHAPE = (4, 4, 3)


def images(count: int = 23) -> ArraySplit:
    return split(pictures(count), 5)


def scores(strategy: ChannelStrategy, network: Network, clean: ArraySplit, **oracle: Any) -> dict[str, list[float]]:
    return {layer: list(map(float, score)) for layer, score in strategy.scores(network, clean, **oracle).items()}


def colours(channels: int = 3, norm: bool = True) -> Network:
    """A 1 × 1 convolution whose channels are red, green and blue, batch normalisation, ReLU, and pooling."""
    image = layers.Input(SHAPE, name="image")
    x = layers.Conv2D(channels, 1, use_bias=False, name="conv")(image)
    x = layers.BatchNormalization(name="norm", epsilon=0.001)(x) if norm else x
    x = layers.GlobalAveragePooling2D(name="pool")(layers.ReLU(name="relu")(x))
    model = keras.Model(image, layers.Dense(3, use_bias=False, activation="softmax", name="output")(x))
    model.get_layer("conv").set_weights([np.eye(3, channels, dtype=np.float32)[None, None]])
    model.get_layer("output").set_weights([np.eye(channels, 3, dtype=np.float32)])
    return Network(model)


def of_norm(network: Network, *weights: list[float]) -> Network:
    """`network` with these γ, β, means and variances."""
    network.model.get_layer("norm").set_weights([np.array(values, np.float32) for values in weights])
    return network


def normalised() -> Network:
    return Network(NETWORKS["normalised"]())


def test_norms_worked_by_hand() -> None:
    network = colours()
    network.model.get_layer("conv").set_weights([np.array([[[[3.0, 0, 1], [-4, 2, 1], [0, 0, -1]]]])])
    assert scores(KernelNorm(order=1), network, images()) == {"conv": [7, 2, 3]}
    assert scores(KernelNorm(order=2), network, images()) == {"conv": pytest.approx([5, 2, 3**0.5])}


def test_norms_prune_the_same_share_of_each_layer() -> None:
    *_, half, _, _, _, _, _ = KernelNorm(layers=["conv_1", "conv_2"]).steps(normalised(), images())
    assert [int((edit.factors == 0).sum()) for edit in half.edits] == [2, 3]


def test_a_lipschitz_bound_worked_by_hand() -> None:
    network = of_norm(colours(), [1, -2, 1], [9, 9, 9], [0, 0, 0], [1, 4, 0.25])
    assert scores(ChannelLipschitzness(), network, images()) == {"conv": [-1, -1, -2]}


def test_lipschitz_bounds_are_the_largest_singular_values() -> None:
    network = normalised()
    for layer, of_layer in ChannelLipschitzness().scores(network, images()).items():
        parts = network.weights(layer)
        expected = []
        for channel in range(len(of_layer)):
            matrix = np.array([parts.kernel[:, :, row, channel].ravel() for row in range(parts.kernel.shape[2])])
            matrix = matrix * parts.gamma[channel] / np.sqrt(parts.variance[channel])
            expected.append(scipy.linalg.svdvals(matrix)[0])
        assert -of_layer == pytest.approx(expected, rel=1e-5)


def test_at_the_amount_u_those_beyond_mean_and_u_deviations_are_gone() -> None:
    network = normalised()
    steps = list(ChannelLipschitzness().steps(network, images()))
    bounds = {layer: -score for layer, score in ChannelLipschitzness().scores(network, images()).items()}
    for step in steps[:-1]:
        for edit in step.edits:
            bound = bounds[edit.layer]
            beyond = bound > bound.mean() + (step.amount + 1e-12) * bound.std(ddof=1)
            assert np.array_equal(edit.factors == 0, beyond)
    assert {step.amount_name for step in steps} == {"u"}
    assert steps[-1].amount == pytest.approx(steps[-2].amount) and steps[-1].amount < steps[-2].amount
    assert [step.pruned for step in steps] == list(range(1, 11))


def test_without_z_scores_of_all_layers_the_amount_is_the_share() -> None:
    for settings in ({"scope": "layer"}, {"normalise": "none"}):
        steps = ChannelLipschitzness(**settings).steps(normalised(), images())
        assert next(iter(steps)).amount_name == "fraction_pruned"


@pytest.mark.parametrize("strategy", [ChannelLipschitzness(), NormStatistics(), NormStatistics(form="silent")])
def test_layers_of_fewer_than_three_channels_keep_their_order(strategy: ChannelStrategy) -> None:
    (step,) = strategy.steps(Network(NETWORKS["one_channel"]()), images())
    assert (step.pruned, step.total, step.amount) == (1, 1, pytest.approx(0))


def test_a_variance_of_zero_leaves_a_channel_average() -> None:
    network = of_norm(colours(4), [1, 2, 3, 4], [0] * 4, [0] * 4, [1, 1, 0, 1])
    network.model.get_layer("conv").set_weights([np.ones((1, 1, 3, 4), np.float32)])
    steps = list(ChannelLipschitzness().steps(network, images()))
    assert [kept(step)["conv"].tolist() for step in steps] == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0] * 4]
    assert np.isfinite([step.amount for step in steps]).all()


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (ChannelLipschitzness(), "expected layers with batch normalisation behind them, got none: take another"),
        (NormStatistics(), "expected a network with batch normalisation to prune, got one without: take another"),
    ],
)
def test_without_batch_normalisation_they_do_not_apply(strategy: ChannelStrategy, message: str) -> None:
    with pytest.raises(NotApplicable, match=f"^{message}"):
        strategy.scores(colours(norm=False), images())


def test_layers_of_norm_strategies_are_those_behind_what_is_named() -> None:
    chosen = {
        str(choice): list(NormStatistics(layers=choice).scores(normalised(), images()))
        for choice in ("auto", "all", "conv_1", ("norm_2", "conv_1"))
    }
    assert list(chosen.values()) == [["norm_2"], ["norm_1", "norm_2"], ["norm_1"], ["norm_2", "norm_1"]]


def test_a_sum_has_no_batch_normalisation_of_its_own() -> None:
    with pytest.raises(NotApplicable, match=r"^expected a batch normalisation behind 'sum', got none: set strategy"):
        NormStatistics(layers="auto").scores(Network(NETWORKS["residual"]()), images())


@pytest.mark.parametrize(("form", "edit", "variant"), [("published", Scale, ""), ("silent", Silence, "silent")])
def test_form_is_what_becomes_of_a_pruned_channel(form: Any, edit: type, variant: str) -> None:
    strategy = NormStatistics(form=form)
    assert strategy.variant == variant
    assert {type(each) for step in strategy.steps(normalised(), images()) for each in step.edits} == {edit}


def test_a_form_is_one_of_two() -> None:
    with pytest.raises(ConfigError, match=r"^expected strategy.form to be one of published, silent, got 'other'"):
        NormStatistics(form="other")  # type: ignore[arg-type]
    assert issubclass(NormStatistics, NormStrategy)


def test_a_divergence_worked_by_hand() -> None:
    """Red is 0 or 2 in equal parts, so that its mean and variance are 1; green and blue the same."""
    pixels = np.zeros((2, *SHAPE), np.uint8)
    pixels[1] = 2
    network = of_norm(colours(), [1, 1, 1], [0, 0, 0], [1, 3, 1], [1, 1, 4])
    divergences = scores(NormStatistics(), network, ArraySplit(pixels, np.array([0, 1]), Scaling(1.0)))
    assert divergences == {"norm": pytest.approx([0, -2, -(np.log(2) + 1 / 8 - 1 / 2)])}


@pytest.mark.usefixtures("small_blocks")
def test_divergences_are_the_integrals_of_their_definition() -> None:
    network, clean = normalised(), images()
    for layer, divergences in NormStatistics().scores(network, clean).items():
        arriving = np.concatenate(list(network.maps(layer.replace("norm", "conv"), clean)))
        norm = network.model.get_layer(layer)
        for channel, score in enumerate(divergences):
            values = arriving[..., channel].astype(np.float64)
            batch = scipy.stats.norm(values.mean(), values.std())
            stored = scipy.stats.norm(norm.moving_mean.numpy()[channel], norm.moving_variance.numpy()[channel] ** 0.5)
            grid = np.linspace(*batch.interval(1 - 1e-12), 20001)
            integrand = batch.pdf(grid) * (batch.logpdf(grid) - stored.logpdf(grid))
            assert -score == pytest.approx(scipy.integrate.simpson(integrand, grid), rel=1e-4, abs=1e-6)


def glowing() -> tuple[ArraySplit, dict[str, PoisonedSplit]]:
    """Images all of whose channels vary alike, and a trigger that is green."""
    clean = split(np.random.default_rng(0).integers(0, 60, (300, *SHAPE)).astype(np.uint8), 3)
    return clean, {"patch": PoisonedSplit(clean, Patch(target=0, size=2, pattern="plain", colour=(0, 255, 0)), 3)}


def test_the_channel_with_two_peaks_has_the_lowest_entropy() -> None:
    clean, poisoned = glowing()
    entropies = scores(PreActivationEntropy(images=200, poison_rate=0.5), colours(), clean, poisoned=poisoned)["norm"]
    assert np.argmin(entropies) == 1


def test_entropies_are_those_of_histograms() -> None:
    clean, poisoned = glowing()
    entropies = PreActivationEntropy(images=10**6, poison_rate=1.0).scores(colours(), clean, poisoned=poisoned)["norm"]
    # At such numbers all poisoned images are drawn, and of clean ones a single one, the least that there can be.
    count = len(poisoned["patch"])
    assert count < 300
    rows = np.random.default_rng(0).permutation(300)[:1]
    pixels = np.concatenate([clean.pixels(0, 300)[rows], poisoned["patch"].pixels(0, count)]) / 255
    maxima = pixels.max(axis=(1, 2)).astype(np.float64)
    values = (maxima - maxima.mean(axis=0)) / maxima.std(axis=0, ddof=1)
    edges = values.min() - 1e-6 + 0.01 * np.arange(np.ceil((values.max() - values.min()) / 0.01) + 2)
    expected = [scipy.stats.entropy(np.histogram(column, edges)[0]) for column in values.T]
    assert entropies == pytest.approx(expected, rel=0.02)


def test_maxima_that_are_all_equal_leave_a_channel_average() -> None:
    clean, poisoned = glowing()
    network = colours(4)
    network.model.get_layer("conv").set_weights([np.eye(3, 4, dtype=np.float32)[None, None]])  # the fourth is dark
    strategy = PreActivationEntropy(images=100, poison_rate=0.5)
    assert np.isnan(strategy.scores(network, clean, poisoned=poisoned)["norm"]).tolist() == [False] * 3 + [True]
    assert all(np.isfinite(step.amount) for step in strategy.steps(network, clean, poisoned=poisoned))


def test_one_batch_of_noise_changes_weights_by_the_rate_times_the_gradient() -> None:
    network, clean = normalised(), images()
    changes = NoiseWeightChange(iterations=1, batch_size=8, learning_rate=0.5, seed=7).scores(network, clean)
    noise = tf.random.stateless_uniform((8, 12, 10, 3), [0, 7], 0, 1)
    labels = tf.random.stateless_uniform((8,), [1, 7], 0, 5, tf.int64)
    model = network.logits
    with tf.GradientTape() as tape:
        logits = model(noise, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    gradients = tape.gradient(loss, [model.get_layer(layer).kernel for layer in changes])
    for gradient, score in zip(gradients, changes.values(), strict=True):
        assert -score == pytest.approx(0.5 * np.abs(gradient.numpy()).sum(axis=(0, 1, 2)), rel=1e-3)


def test_an_attacked_map_worked_by_hand() -> None:
    """Where a map is a colour, the attack moves this colour on from the noise, and leaves the others there."""
    pixels = np.full((6, *SHAPE), 100, np.uint8)
    pixels[np.arange(6), :, :, np.arange(6) % 3] = 102  # a class is the colour that is brightest, by 2
    clean = ArraySplit(pixels, np.arange(6) % 3, Scaling(1.0))
    strategy = FeatureMapPruning(images=6, alpha=1.0, epsilon=40.0, seed=3)
    accuracies = scores(strategy, colours(norm=False), clean)["conv"]
    sign = np.random.default_rng(3).choice([-1, 1], pixels.shape)
    for channel, accuracy in enumerate(accuracies):
        moved = pixels + 1.0 * sign
        moved[..., channel] += 40.0 * sign[..., channel]
        labels = moved.mean(axis=(1, 2)).argmax(axis=1)
        assert accuracy == pytest.approx((labels == clean.labels).mean())
    assert min(accuracies) < 1


def test_attacked_pixels_stay_between_black_and_white() -> None:
    pixels = np.zeros((3, *SHAPE), np.uint8)
    pixels[np.arange(3), :, :, np.arange(3)] = 255
    clean = ArraySplit(pixels, np.arange(3), Scaling(1 / 255))
    # Unclipped, steps of 1000 would drown every colour.
    accuracies = scores(FeatureMapPruning(images=3, alpha=1.0, epsilon=1000.0), colours(norm=False), clean)["conv"]
    assert accuracies == [1, 1, 1]
