"""Which weights are the smallest, by hand and as tensorflow-model-optimization finds them."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from nets import tiny
from samples import pictures, split
from steps import kept

from fineprune.errors import ConfigError, NotApplicable
from fineprune.evaluation.predict import predict, predict_steps
from fineprune.network.network import Network
from fineprune.network.step import Step
from fineprune.strategies.weights.magnitude_dense import MagnitudeDense
from fineprune.testing.networks import NETWORKS
from fineprune.training import sparsity

Conv2D = keras.layers.Conv2D
TRAINING = {"epochs": 2, "batch_size": 10, "validation": 0.1, "learning_rate": 0.001}


def strategy(**settings: Any) -> MagnitudeDense:
    known = {"sparsities": [0.5, 0.6, 0.7], "scope": "global", "layers": "dense", "train": "none"}
    return MagnitudeDense(**(known | {"training": TRAINING, "seed": 0} | settings))


def test_global_ranking_by_hand() -> None:
    kernels = {"a": np.array([[1.0, -2.0], [3.0, 4.0]]), "b": np.array([[-5.0, 6.0, 7.0, 8.0]])}
    masks = sparsity.masks(kernels, 0.5, "global")
    assert masks["a"].tolist() == [[0, 0], [0, 0]]
    assert masks["b"].tolist() == [[1, 1, 1, 1]]
    assert sparsity.shares(kernels, 0.5, "global") == {"a": 0.75, "b": 0.0}  # one is kept


def test_ranking_layer_by_layer_by_hand() -> None:
    kernels = {"a": np.array([[1.0, -2.0], [3.0, 4.0]]), "b": np.array([[-5.0, 6.0, 7.0, 8.0]])}
    masks = sparsity.masks(kernels, 0.5, "layer")
    assert masks["a"].tolist() == [[0, 0], [1, 1]]
    assert masks["b"].tolist() == [[0, 0, 1, 1]]


def test_all_layers_are_those_of_networks_inside_too() -> None:
    model = NETWORKS["nested"]()
    kernels = {layer.name for layer in model._flatten_layers() if isinstance(layer, (Conv2D, keras.layers.Dense))}
    assert len(kernels - {layer.name for layer in model.layers}) > 1
    *_, last = strategy(layers="all").steps(Network(model), split(pictures(5, model.input_shape[1:]), 5))
    assert set(kept(last)) == kernels
    zeros = sum(int((mask == 0).sum()) for mask in kept(last).values())
    assert zeros == pytest.approx(0.7 * sum(mask.size for mask in kept(last).values()), abs=1)


def test_weights_as_large_as_the_smallest_one_kept_are_kept() -> None:
    masks = sparsity.masks({"a": np.array([1.0, -1.0, 1.0, 2.0])}, 0.5, "layer")
    assert masks["a"].tolist() == [1, 1, 1, 1]


@settings(max_examples=10, deadline=None)
@given(
    arrays(np.float32, (4, 7), elements=st.integers(-6, 6).map(float)),
    st.sampled_from([0.0, 0.25, 0.5, 0.55, 0.6, 0.65, 0.7, 0.95, 0.999]),
)
def test_masks_are_those_of_tfmot_ties_included(kernel: np.ndarray, level: float) -> None:
    assert np.array_equal(sparsity.masks({"a": kernel}, level, "layer")["a"], tfmot_mask(kernel, level))


def tfmot_mask(kernel: np.ndarray, level: float) -> np.ndarray:
    import tensorflow as tf
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_impl, pruning_schedule

    schedule = pruning_schedule.ConstantSparsity(level, 0)
    pruning = pruning_impl.Pruning(lambda: tf.constant(1), [], schedule, (1, 1), "AVG")
    return pruning._update_mask(tf.constant(kernel))[1].numpy()


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_untrained_levels_and_the_fast_evaluation_of_them(scope: str, small_blocks: None) -> None:
    network, images = Network(tiny()), split(pictures(23), 5)
    steps = list(strategy(scope=scope).steps(network, images))
    assert list(kept(steps[0])) == ["hidden", "output"]
    assert [round(step.pruned / step.total, 2) for step in steps] == [0.5, 0.6, 0.7]
    labels = predict_steps(network, steps, {"clean": images}, lambda _: None)["clean"]
    for step, row in zip(steps, labels[1:], strict=True):
        assert np.array_equal(row, predict(network.pruned(step), images))


@cache
def trained(scope: str, layers: str) -> tuple[Network, list[Step]]:
    """The network and the steps that tfmot trains it to, once for all tests, none of which changes them."""
    network = Network(tiny())
    before = [array.copy() for array in network.model.get_weights()]
    steps = list(strategy(train="tfmot", scope=scope, layers=layers).steps(network, split(pictures(80), 5)))
    assert all(map(np.array_equal, before, network.model.get_weights()))
    return network, steps


@pytest.mark.parametrize(("scope", "layers"), [("layer", "dense"), ("global", "dense"), ("layer", "all")])
@pytest.mark.slow
def test_tfmot_raises_the_sparsity_from_the_first_level_to_the_last(scope: str, layers: str) -> None:
    network, steps = trained(scope, layers)
    shares = [step.pruned / step.total for step in steps]
    assert len(steps) == 3
    assert shares[0] == pytest.approx(0.5, abs=0.01)
    assert shares[-1] == pytest.approx(0.7, abs=0.01)
    conv = network.pruned(steps[-1]).get_layer("conv_1").get_weights()[0]
    assert (np.mean(conv == 0) > 0.6) == (layers == "all")
    if scope == "layer":
        assert all(np.mean(mask == 0) == pytest.approx(0.7, abs=0.05) for mask in kept(steps[-1]).values())


def test_global_scope_trains_each_layer_to_its_share_of_the_ranking() -> None:
    network, steps = trained("global", "dense")
    shares = sparsity.shares(network.kernels(dense_only=True), 0.7, "global")
    for layer, share in shares.items():
        assert np.mean(kept(steps[-1])[layer] == 0) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scope": "both"}, "expected strategy.scope to be one of global, layer, got 'both'"),
        ({"layers": "conv"}, "expected strategy.layers to be one of dense, all, got 'conv'"),
        ({"train": True}, "expected strategy.train to be one of none, tfmot, got True"),
        (
            {"sparsities": [0.5, 1.0]},
            "expected strategy.sparsities to be fractions ≥ 0 and < 1 that ascend, got [0.5, 1.0]",
        ),
        (
            {"sparsities": [0.7, 0.5]},
            "expected strategy.sparsities to be fractions ≥ 0 and < 1 that ascend, got [0.7, 0.5]",
        ),
        ({"sparsities": []}, "expected strategy.sparsities to be fractions ≥ 0 and < 1 that ascend, got []"),
        (
            {"train": "tfmot", "sparsities": [0.7]},
            "expected strategy.sparsities to be two or more for tfmot to rise between, got [0.7]",
        ),
        (
            {"training": TRAINING | {"epochs": "2"}},
            "expected strategy.training.epochs to be a whole number ≥ 1, got '2'",
        ),
    ],
)
def test_settings_that_are_wrong(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        strategy(**wrong)
    assert str(caught.value).startswith(f"{message}: ")


def test_more_levels_than_batches() -> None:
    images = split(pictures(12), 5)
    with pytest.raises(ConfigError, match="expected fewer levels of sparsity than the 2 batches of training, got 6"):
        list(strategy(train="tfmot", sparsities=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]).steps(Network(tiny()), images))


def test_a_network_without_dense_layers() -> None:
    image = keras.Input((12, 10, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(5, 3)(image))
    network = Network(keras.Model(image, keras.layers.Softmax()(pooled)))
    with pytest.raises(NotApplicable, match="expected a network with dense layers to make sparse, got none"):
        list(strategy().steps(network, split(pictures(5), 5)))


def test_all_layers_are_dense_ones_and_convolutions_but_for_depthwise_and_separable_kernels() -> None:
    x = image = keras.Input((8, 8, 2))
    for layer in (keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D, keras.layers.Conv2DTranspose):
        x = layer(*([] if layer is keras.layers.DepthwiseConv2D else [3]), kernel_size=2, name=layer.__name__)(x)
    x = keras.layers.Conv1D(3, 2, name="Conv1D")(keras.layers.Reshape((-1, 3))(x))
    x = keras.layers.Dense(5, activation="softmax", name="Dense")(keras.layers.Flatten()(x))
    steps = list(strategy(layers="all").steps(Network(keras.Model(image, x)), split(pictures(5), 5)))
    assert [list(kept(step)) for step in steps] == [["Conv2DTranspose", "Conv1D", "Dense"]] * 3


def test_training_towards_sparsity_does_not_end_early() -> None:
    impatient = strategy(train="tfmot", training=TRAINING | {"patience": 1})
    with pytest.raises(
        ConfigError, match=r"got patience=1, which ends it early: set strategy\.training\.patience=null"
    ):
        list(impatient.steps(Network(tiny()), split(pictures(40), 5)))
