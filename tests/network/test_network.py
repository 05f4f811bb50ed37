"""What can be pruned, what feeds what, and that a pruned channel emits exactly zero."""

import numpy as np
import pytest
import tf_keras as keras
from nets import copies, deepid, residual, same, tiny
from samples import pictures, split
from steps import keeping, kept
from tf_keras import layers

from fineprune.errors import ConfigError, ModelError
from fineprune.evaluation.predict import predict, predict_steps
from fineprune.network.network import Network


def chain(*stack: layers.Layer) -> Network:
    """One layer after the other on 8 × 8 images, then classes."""
    image = x = layers.Input((8, 8, 3), name="image")
    for layer in (*stack, layers.Flatten(), layers.Dense(3, activation="softmax", name="output")):
        x = layer(x)
    return Network(keras.Model(image, x))


def output_of(model: keras.Model, layer: str) -> np.ndarray:
    images = pictures(7, model.input_shape[1:]).astype(np.float32) / 255
    return keras.Model(model.inputs, model.get_layer(layer).output).predict(images, verbose=0)


def every_second(channels: int) -> np.ndarray:
    return (np.arange(channels) % 2).astype(np.float32)


def test_units_from_input_to_output_without_the_classes() -> None:
    assert {name: unit.channels for name, unit in Network(tiny()).units.items()} == {
        "conv_1": 4,
        "conv_2": 6,
        "hidden": 8,
    }
    assert sorted(Network(deepid()).units) == ["conv_1", "conv_2", "conv_3", "conv_4", "fc_1", "fc_2"]


def test_a_unit_ends_behind_its_batchnorm_and_activation() -> None:
    units = Network(residual()).units
    assert {name: unit.followers for name, unit in units.items()} == {
        "stem": ("stem_norm", "stem_relu"),
        "inner": ("inner_norm", "inner_relu"),
        "outer": ("outer_norm",),
    }
    assert units["stem"].end == "stem_relu"


def test_a_layer_whose_activation_is_not_zero_at_zero_has_nothing_to_prune() -> None:
    network = chain(layers.Conv2D(4, 3, activation="sigmoid", name="a"), layers.Conv2D(4, 3, name="b"))
    assert list(network.units) == ["b"]


def test_a_layer_that_is_called_twice_has_nothing_to_prune() -> None:
    twice = layers.Conv2D(3, 3, padding="same", name="twice")
    assert list(chain(twice, layers.Conv2D(3, 3, padding="same", name="once"), twice).units) == ["once"]


@pytest.mark.slow
def test_pruned_channels_emit_exactly_zero_and_the_others_go_on(any_model: keras.Model) -> None:
    network = Network(any_model)
    for unit in network.units.values():
        keep = every_second(unit.channels)
        emitted = output_of(network.pruned(keeping({unit.layer: keep})), unit.end)
        untouched = output_of(any_model, unit.end)
        assert not emitted[..., keep == 0].any()
        assert np.array_equal(emitted[..., keep == 1], untouched[..., keep == 1])
        assert untouched[..., keep == 0].any()


def test_kernel_and_bias_of_a_pruned_channel_are_zero(any_model: keras.Model) -> None:
    network = Network(any_model)
    steps = keeping({unit.layer: every_second(unit.channels) for unit in network.units.values()})
    pruned = network.pruned(steps)
    for layer in kept(steps):
        for ours, theirs in zip(
            pruned.get_layer(layer).get_weights(), any_model.get_layer(layer).get_weights(), strict=True
        ):
            assert not ours[..., ::2].any()
            assert np.array_equal(ours[..., 1::2], theirs[..., 1::2])


def test_the_weights_of_a_unit_are_those_of_its_layers() -> None:
    network = Network(residual())
    stem, outer = network.weights("stem"), network.weights("outer")
    layers_of = network.model.get_layer
    assert (stem.norm, stem.bias) == ("stem_norm", None)
    for ours, theirs in zip(
        (stem.kernel, stem.gamma, stem.beta, stem.mean, stem.variance),
        (*layers_of("stem").get_weights(), *layers_of("stem_norm").get_weights()),
        strict=True,
    ):
        assert np.array_equal(ours, theirs)
    assert outer.gamma is None
    assert np.array_equal(outer.bias, layers_of("outer").get_weights()[1])
    assert Network(tiny()).weights("conv_1").norm is None


def test_the_original_is_untouched(any_model: keras.Model) -> None:
    network, before = Network(any_model), copies(any_model.get_weights())
    network.pruned(keeping({name: np.zeros(unit.channels) for name, unit in network.units.items()}))
    assert same(any_model.get_weights(), before)


def test_a_kernel_mask_prunes_weights_and_leaves_the_bias(model: keras.Model) -> None:
    keep = np.ones((3, 3, 3, 4), np.float32)
    keep[0, 1, 2, 3] = 0
    kernel, bias = Network(model).pruned(keeping({"conv_1": keep})).get_layer("conv_1").get_weights()
    before, untouched = model.get_layer("conv_1").get_weights()
    assert np.argwhere(kernel != before).tolist() == [[0, 1, 2, 3]]
    assert kernel[0, 1, 2, 3] == 0
    assert np.array_equal(bias, untouched)


def test_new_weights_are_masked_too(model: keras.Model) -> None:
    new = [np.ones((3, 3, 3, 4)), np.ones(4)]
    pruned = Network(model).pruned(keeping({"conv_1": np.array([1.0, 0, 1, 1])}, {"conv_1": new}))
    kernel, bias = pruned.get_layer("conv_1").get_weights()
    assert kernel.sum(axis=(0, 1, 2)).tolist() == [27, 0, 27, 27]
    assert bias.tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize(("build", "pooling"), [(tiny, "pool_2"), (residual, "pool"), (deepid, "pool_3")])
def test_last_pooling(build: type[keras.Model], pooling: str) -> None:
    assert Network(build()).last_pooling() == pooling


def test_what_feeds_a_layer() -> None:
    assert Network(deepid()).feeding("pool_3") == "conv_3"
    assert Network(residual()).feeding("stem_relu") == "stem"
    normed = chain(layers.Conv2D(4, 3, name="conv"), layers.BatchNormalization(), layers.MaxPooling2D(name="pool"))
    assert normed.feeding("pool") == "conv"


@pytest.mark.parametrize(
    "between", [layers.Conv2D(4, 3, activation="sigmoid", name="mixes"), layers.LayerNormalization(name="mixes")]
)
def test_what_mixes_channels_feeds_a_layer_itself(between: layers.Layer) -> None:
    network = chain(layers.Conv2D(4, 3, name="conv"), between, layers.MaxPooling2D(name="pool"))
    assert network.feeding("pool") == "mixes"
    assert not network.unit("mixes").weighted


@pytest.mark.parametrize(("shape", "classes"), [((10, 12, 3), 5), ((12, 10, 3), 6)])
def test_images_and_labels_have_to_fit(model: keras.Model, shape: tuple[int, int, int], classes: int) -> None:
    network = Network(model)
    network.check_takes(split(pictures(10), 5), "clean_test")
    with pytest.raises(ModelError, match=r"^expected (images|labels) of clean_test .*, got (5|\(10, 12, 3\)): \w"):
        network.check_takes(split(pictures(10, shape), classes), "clean_test")


@pytest.mark.parametrize("training", [True, False])
def test_a_network_inside_the_network_stays_in_the_mode_that_it_is_called_in(training: bool) -> None:
    inside = residual()
    base = keras.Model(inside.inputs, inside.get_layer("sum_relu").output, name="base")
    image = layers.Input((12, 10, 3))
    pooled = layers.GlobalAveragePooling2D()(base(image, training=training))
    model = keras.Model(image, layers.Dense(5, activation="softmax", name="scores")(pooled))
    images = pictures(9).astype(np.float32) / 255
    expected = model(images).numpy()
    assert Network(model).model(images).numpy() == pytest.approx(expected, abs=1e-5)


def test_a_pooling_of_another_axis_passes_no_zeros_of_channels() -> None:
    pooling = layers.GlobalAveragePooling2D(data_format="channels_first", name="pool")
    network = chain(layers.Conv2D(12, 1, activation="relu", name="conv"), pooling, layers.Dense(5, name="scores"))
    images = split(pictures(20, network.input_shape), 5)
    steps = [keeping({"conv": np.arange(12) >= count}) for count in (4, 8, 12)]
    labels = predict_steps(network, steps, {"images": images}, lambda _: None)["images"]
    for row, step in enumerate(steps, start=1):
        assert np.array_equal(labels[row], predict(network.pruned(step), images))


def test_a_unit_that_is_not_there_has_no_weights() -> None:
    with pytest.raises(ConfigError, match=r"^expected the name of a unit, one of stem, inner, outer, got 'sum'"):
        Network(residual()).weights("sum")
