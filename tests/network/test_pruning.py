"""What each edit of a step means: in a pruned net, in a sweep, in a file, and while the net is trained further."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import tiny
from numpy.typing import NDArray
from samples import pictures, split
from tf_keras import layers

from fineprune.errors import StrategyError
from fineprune.evaluation.predict import predict, predict_steps
from fineprune.files import save_model
from fineprune.network.contract import listed
from fineprune.network.network import Network
from fineprune.network.step import Cap, Edit, Mask, Replace, Scale, Silence, Step
from fineprune.testing.networks import NETWORKS, seeded
from fineprune.training.fine_tuning import hold_zeros
from fineprune.untrusted.network_files import load_model

PLACES = {"plain": "flatten", "residual": "sum", "concatenated": "relu", "nested": "pool", "grayscale": "pool"}


def images_of(model: keras.Model, count: int = 9) -> NDArray[np.float32]:
    return pictures(count, model.input_shape[1:]).astype(np.float32) / 255


def emitted(model: keras.Model, layer: str) -> NDArray[np.float32]:
    return keras.Model(model.inputs, model.get_layer(layer).output).predict(images_of(model), verbose=0)


def rescaled(layer: str, factors: list[float]) -> Step:
    return Step([Silence(layer, np.array(factors))])


@pytest.mark.parametrize(("network", "place"), PLACES.items())
@pytest.mark.slow
def test_a_channel_of_any_tensor_can_be_silenced_whatever_made_it(network: str, place: str) -> None:
    model = Network(NETWORKS[network]()).model
    channels = model.get_layer(place).output.shape[-1]
    factors = (np.arange(channels) % 2).astype(float)
    pruned = Network(model).pruned(Step([Silence(place, factors)]))
    assert np.array_equal(emitted(pruned, f"{place}_silenced"), emitted(model, place) * factors.astype(np.float32))


def test_a_soft_mask_multiplies_what_the_unit_emits_whatever_its_activation_is() -> None:
    image = layers.Input((4, 4, 1), name="image")
    x = layers.Conv2D(2, 1, name="conv")(image)
    x = layers.ReLU(max_value=100, name="relu")(layers.BatchNormalization(name="norm")(x))
    x = layers.Dense(3, activation="softmax", name="output")(layers.Flatten()(x))
    network = Network(seeded(keras.Model(image, x)))
    pruned = network.pruned(rescaled("conv", [0.25, 1]))
    expected = emitted(network.model, "relu") * np.array([0.25, 1], np.float32)
    assert np.array_equal(emitted(pruned, "conv_silenced"), expected)


def test_scaling_multiplies_gamma_and_keeps_beta() -> None:
    network = Network(NETWORKS["normalised"]())
    gamma, beta, mean, variance = network.model.get_layer("norm_1").get_weights()
    pruned = network.pruned(Step([Scale("norm_1", np.array([0, 0.5, 1, 2]))])).get_layer("norm_1").get_weights()
    for ours, theirs in zip(pruned, [gamma * [0, 0.5, 1, 2], beta, mean, variance], strict=True):
        assert np.array_equal(ours, theirs.astype(np.float32))


def test_a_normalisation_without_gamma_gains_one_to_scale() -> None:
    network = Network(NETWORKS["residual"]())
    factors = np.array([0, 1, 0.5, 1, 1, 1])
    pruned = network.pruned(Step([Scale("outer_norm", factors)]))
    gamma, *rest = pruned.get_layer("outer_norm").get_weights()
    assert gamma.tolist() == factors.tolist()
    assert all(map(np.array_equal, rest, network.model.get_layer("outer_norm").get_weights()))


def test_a_cap_limits_what_is_emitted_and_a_cap_of_infinity_does_not() -> None:
    network = Network(tiny())
    caps = np.array([0, 0.1, np.inf, 0.05])
    pruned = network.pruned(Step([Cap("conv_1", caps)]))
    expected = np.minimum(emitted(network.model, "conv_1"), caps.astype(np.float32))
    assert np.array_equal(emitted(pruned, "conv_1_capped"), expected)


def test_weights_are_replaced_before_they_are_masked_and_capped_before_they_are_silenced() -> None:
    network = Network(tiny())
    kernel, bias = np.full((3, 3, 3, 4), 2.0), np.arange(4.0)
    mask = np.ones_like(kernel)
    mask[0] = 0
    edits: list[Edit] = [
        Silence("conv_1", np.array([0.5, 1, 1, 1])),
        Cap("conv_1", np.full(4, 0.25)),
        Mask("conv_1", mask),
        Replace("conv_1", [kernel, bias]),
    ]
    pruned = network.pruned(Step(edits))
    assert np.array_equal(pruned.get_layer("conv_1").get_weights()[0], kernel * mask)
    assert emitted(pruned, "conv_1_silenced").max(axis=(0, 1, 2)).tolist() == [0.125, 0.25, 0.25, 0.25]


def random_step(network: Network, random: np.random.Generator) -> Step:
    """Some edits of every kind that the network allows."""
    edits: list[Edit] = []
    places = [*network.units, *({"sum", "concat", "relu", "pool"} & {layer.name for layer in network.model.layers})]
    for place in random.permutation(places)[: random.integers(0, 3)]:
        channels = network.unit(place).channels
        values = random.choice([0, 1] if random.random() < 0.5 else [0, 0.3, 1, 1.7], channels)
        edits.append(Silence(str(place), values))
    for place in random.permutation(places)[: random.integers(0, 2)]:
        edits.append(Cap(str(place), random.choice([0, 0.2, np.inf], network.unit(place).channels)))
    for norm in random.permutation(network.norms)[: random.integers(0, 2)]:
        size = network.model.get_layer(norm).moving_mean.shape[0]
        edits.append(Scale(str(norm), random.choice([0, 0.5, 1], size)))
    for layer, kernel in network.kernels(dense_only=False).items():
        if random.random() < 0.2:
            edits.append(Mask(layer, random.integers(0, 2, kernel.shape)))
        if random.random() < 0.1:
            weights = network.model.get_layer(layer).get_weights()
            edits.append(Replace(layer, [array * random.normal(1, 0.3, array.shape) for array in weights]))
    return Step(edits)


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.slow
def test_the_labels_of_a_sweep_are_those_of_the_plain_networks_for_every_edit(name: str, seed: int) -> None:
    network, random = Network(NETWORKS[name]()), np.random.default_rng(seed)
    steps = [random_step(network, random) for _ in range(3)]
    clean = split(pictures(19, network.input_shape), 5)
    labels = predict_steps(network, steps, {"clean": clean}, lambda _: None)["clean"]
    for row, net in zip(labels, [network.model, *map(network.pruned, steps)], strict=True):
        assert np.array_equal(row, predict(net, clean))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["plain", "residual", "nested"])
@pytest.mark.slow
def test_a_saved_net_is_read_back_by_plain_keras_and_by_us(name: str, seed: int, tmp_path: Path) -> None:
    network = Network(NETWORKS[name]())
    net = network.pruned(random_step(network, np.random.default_rng(seed)))
    save_model(net, tmp_path / "net.h5")
    scores = net.predict(images_of(net), verbose=0)
    for loaded in (load_model(tmp_path / "net.h5"), keras.models.load_model(tmp_path / "net.h5", compile=False)):
        assert np.array_equal(loaded.predict(images_of(net), verbose=0), scores)


def test_what_was_pruned_once_can_be_pruned_again() -> None:
    once = Network(tiny()).pruned(rescaled("conv_1", [0.5, 1, 1, 1]))
    twice = Network(once).pruned(rescaled("conv_1", [0.5, 1, 1, 0.5]))
    assert {"conv_1_silenced", "conv_1_silenced_1"} <= {layer.name for layer in twice.layers}


def test_training_keeps_zero_what_is_pruned_and_moves_the_rest() -> None:
    network = Network(NETWORKS["residual"]())
    hidden = np.random.default_rng(0).integers(0, 2, (3, 3, 6, 6))
    channels = np.array([0, 1, 0, 1, 1, 1.0])
    edits = [Silence("stem", channels), Mask("inner", hidden), Scale("inner_norm", channels), Silence("sum", channels)]
    step = Step(edits)
    model = hold_zeros(network.pruned(step), network, step)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(images_of(model, 20), np.arange(20) % 5, epochs=2, verbose=0)
    for weights in (model.get_layer("stem").get_weights(), model.get_layer("stem_norm").get_weights()[:2]):
        assert all(not array[..., channels == 0].any() for array in weights)
    kernel = model.get_layer("inner").get_weights()[0]
    assert not kernel[hidden == 0].any()
    assert (kernel[hidden == 1] != network.model.get_layer("inner").get_weights()[0][hidden == 1]).any()
    gamma, beta, *_ = model.get_layer("inner_norm").get_weights()
    assert not gamma[channels == 0].any()
    assert beta[channels == 0].all()
    assert not emitted(model, "sum_silenced")[..., channels == 0].any()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Silence("conv_1", np.ones(3)), "expected Silence('conv_1') of shape (4,), got (3,): give one value each"),
        (Mask("conv_1", np.ones(4)), "expected Mask('conv_1') of shape (3, 3, 3, 4), got (4,): give one value each"),
        (Scale("conv_1", np.ones(4)), "expected Scale('conv_1') to name a batch normalisation, got Conv2D"),
        (Replace("conv_1", [np.ones(4)]), "expected Replace('conv_1') of shape (3, 3, 3, 4), (4,), got (4,)"),
        (Replace("nowhere", []), "expected Replace('nowhere') to name a layer, got none of image, conv_1"),
        (
            Silence("nowhere", np.ones(4)),
            "expected Silence('nowhere') to name a layer with channels, got: expected",
        ),
        (Silence("conv_1", np.full(4, np.nan)), "expected Silence('conv_1') to hold finite numbers, got others"),
        (Cap("conv_1", np.array([1, 1, 1, -1])), "expected Cap('conv_1') to hold numbers ≥ 0, got others"),
    ],
)
def test_an_edit_that_does_not_fit_is_the_strategys_bug(edit: Any, message: str) -> None:
    with pytest.raises(StrategyError) as error:
        listed(Network(tiny()), [Step([edit])], "Mine")
    assert str(error.value).startswith(f"expected step 1 of Mine to fit the network, got: {message}")


def test_one_edit_of_a_kind_for_each_layer() -> None:
    with pytest.raises(StrategyError, match="expected one edit of a kind for each layer, got several"):
        listed(Network(tiny()), [Step([Silence("conv_1", np.ones(4)), Silence("conv_1", np.ones(4))])], "Mine")


def trained_on(network: Network, *edits: Edit) -> keras.Model:
    """The pruned net, trained a little further."""
    step = Step(edits)
    model = hold_zeros(network.pruned(step), network, step)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(images_of(model, 20), np.arange(20) % 5, epochs=1, verbose=0)
    return model


def test_zeros_of_two_edits_of_one_layer_are_both_kept() -> None:
    network = Network(NETWORKS["normalised"]())
    hidden = np.random.default_rng(0).integers(0, 2, (3, 3, 4, 6))
    channels, gammas = np.array([0, 1, 1, 1, 1, 1]), np.array([1, 1, 0, 1, 1, 1])
    model = trained_on(network, Mask("conv_2", hidden), Silence("conv_2", channels), Scale("norm_2", gammas))
    assert not model.get_layer("conv_2").get_weights()[0][(hidden * channels) == 0].any()
    assert not model.get_layer("norm_2").get_weights()[0][(gammas * channels) == 0].any()


@pytest.mark.parametrize("kind", [layers.DepthwiseConv2D, layers.SeparableConv2D, layers.Conv2DTranspose])
@pytest.mark.slow
def test_zeros_of_kernels_of_other_kinds_are_kept(kind: type) -> None:
    image = layers.Input((6, 6, 3), name="image")
    x = kind(**({"filters": 4} if kind is not layers.DepthwiseConv2D else {}), kernel_size=3, name="layer")(image)
    network = Network(seeded(keras.Model(image, layers.Dense(5, activation="softmax")(layers.Flatten()(x)))))
    mask = np.random.default_rng(0).integers(0, 2, network.model.get_layer("layer").get_weights()[0].shape)
    assert not trained_on(network, Mask("layer", mask)).get_layer("layer").get_weights()[0][mask == 0].any()


def test_a_normalisation_without_gamma_can_be_replaced_and_scaled_in_one_step_or_in_several() -> None:
    network = Network(NETWORKS["residual"]())
    weights = [array * 1.5 for array in network.model.get_layer("outer_norm").get_weights()]
    replace, scale = Replace("outer_norm", weights), Scale("outer_norm", np.array([0, 1, 0.5, 1, 1, 1]))
    steps = [Step([replace]), Step([scale]), Step([replace, scale])]
    clean = split(pictures(19), 5)
    labels = predict_steps(network, steps, {"clean": clean}, lambda _: None)["clean"]
    for row, net in zip(labels[1:], map(network.pruned, steps), strict=True):
        assert np.array_equal(row, predict(net, clean))
    gamma, *rest = network.pruned(steps[2]).get_layer("outer_norm").get_weights()
    assert gamma.tolist() == scale.factors.tolist()
    assert all(map(np.array_equal, rest, [array.astype(np.float32) for array in weights]))


def test_a_layer_without_a_kernel_has_no_weights_to_mask() -> None:
    with pytest.raises(StrategyError, match=r"expected Mask\('norm_1'\) to name a layer with a kernel, got BatchNorm"):
        listed(Network(NETWORKS["normalised"]()), [Step([Mask("norm_1", np.ones(4))])], "Mine")
