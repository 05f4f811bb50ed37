"""Channel activation: which channels clean images excite least."""

import numpy as np
import pytest
import tf_keras as keras
from nets import copies, residual, same
from samples import pictures, split
from steps import kept
from tf_keras import layers

from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit
from fineprune.errors import ConfigError, NotApplicable
from fineprune.network.network import Network
from fineprune.strategies.rankings.channel_activation import ChannelActivation


def worked_by_hand() -> Network:
    """A 1 × 1 convolution whose channels emit twice the red, the green minus 3, and the blue; then 1 × 2 pooling."""
    image = layers.Input((1, 4, 3), name="image")
    x = layers.Conv2D(3, 1, activation="relu", name="conv")(image)
    x = layers.MaxPooling2D((1, 2), name="pool")(x)
    x = layers.Dense(2, activation="softmax", name="output")(layers.Flatten()(x))
    model = keras.Model(image, x)
    model.get_layer("conv").set_weights([np.diag([2.0, 1, 1]).reshape(1, 1, 3, 3), np.array([0.0, -3, 0])])
    return Network(model)


def two_images() -> ArraySplit:
    red_green_blue = [
        [[1, 4, 0], [2, 9, 0], [0, 3, 1], [0, 2, 1]],  # red pools to 4 and 0, green to 6 and 0, blue to 0 and 1
        [[5, 0, 2], [0, 0, 0], [1, 1, 0], [1, 1, 3]],  # red pools to 10 and 2, green to 0 and 0, blue to 2 and 3
    ]
    return ArraySplit(np.array(red_green_blue, np.uint8).reshape(2, 1, 4, 3), np.array([0, 1]), Scaling(1.0))


def test_worked_by_hand() -> None:
    scores = ChannelActivation().scores(worked_by_hand(), two_images())
    assert {layer: means.tolist() for layer, means in scores.items()} == {"conv": [16 / 4, 6 / 4, 6 / 4]}


def test_least_excited_first_and_ties_in_order() -> None:
    steps = ChannelActivation().steps(worked_by_hand(), two_images())
    assert [kept(step)["conv"].tolist() for step in steps] == [[1, 0, 1], [1, 0, 0], [0, 0, 0]]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("layer", ["pool_2", "conv_1", "hidden"])
def test_the_mean_is_that_of_plain_keras(model: keras.Model, clean: ArraySplit, layer: str) -> None:
    images = clean.inputs(0, len(clean))
    plain = keras.Model(model.inputs, model.get_layer(layer).output).predict(images, verbose=0)
    expected = plain.reshape(-1, plain.shape[-1]).mean(axis=0)
    assert Network(model).mean_activation(layer, clean) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_auto_is_the_last_pooling_layer_and_what_feeds_it(any_model: keras.Model) -> None:
    images = split(pictures(5, any_model.input_shape[1:]), 5)
    network = Network(any_model)
    layer = {"tiny": "conv_2", "deepid": "conv_3", "residual": "sum"}[any_model.name]
    assert list(ChannelActivation().scores(network, images)) == [layer]


def test_several_layers_may_share_a_ranking(clean: ArraySplit) -> None:
    network = Network(residual())
    scores = ChannelActivation(rank_at="sum_relu", layers=["stem", "outer"]).scores(network, clean)
    assert list(scores) == ["stem", "outer"]
    assert np.array_equal(scores["stem"], network.mean_activation("sum_relu", clean))


def test_layers_that_do_not_feed_the_last_pooling_are_ranked_by_what_they_emit_themselves(clean: ArraySplit) -> None:
    """Not by the means of another layer that happens to have as many channels."""
    network = Network(residual())
    scores = ChannelActivation(layers="all").scores(network, clean)
    assert list(scores) == list(network.units)
    for layer, ours in scores.items():
        place = network.last_pooling() if layer == network.feeding(network.last_pooling()) else network.unit(layer).end
        assert np.array_equal(ours, network.mean_activation(place, clean))
    assert scores["stem"].shape == scores["outer"].shape and not np.array_equal(scores["stem"], scores["outer"])


def test_the_network_stays_as_it_was(model: keras.Model, clean: ArraySplit) -> None:
    before = copies(model.get_weights())
    assert len(list(ChannelActivation().steps(Network(model), clean))) == 6
    assert same(model.get_weights(), before)


def without_pooling() -> Network:
    image = layers.Input((12, 10, 3))
    x = layers.Flatten()(layers.Conv2D(4, 3, name="conv")(image))
    return Network(keras.Model(image, layers.Dense(5, activation="softmax")(x)))


def test_not_applicable_without_a_pooling_layer(clean: ArraySplit) -> None:
    with pytest.raises(NotApplicable) as error:
        ChannelActivation().scores(without_pooling(), clean)
    expected = "expected a network with a pooling layer to rank channels at, got none: set strategy.rank_at"
    assert str(error.value) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"rank_at": "pool_9"},
            "expected the name of a layer, one of conv_1, pool_1, conv_2, pool_2, flatten, hidden, output, "
            "got 'pool_9'",
        ),
        (
            {"layers": "conv_9"},
            "expected the name of a layer, one of conv_1, pool_1, conv_2, pool_2, flatten, hidden, output, "
            "got 'conv_9'",
        ),
        ({"layers": "output"}, "expected the name of a prunable layer, one of conv_1, conv_2, hidden, got 'output'"),
    ],
)
def test_a_layer_that_is_not_there(
    model: keras.Model, clean: ArraySplit, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        ChannelActivation(**settings).scores(Network(model), clean)
    assert str(error.value).startswith(message)


def test_layers_of_unlike_width_are_refused(model: keras.Model, clean: ArraySplit) -> None:
    with pytest.raises(
        ConfigError, match=r"^expected 'conv_1' to have the 6 channels of 'pool_2', got 4: set strategy.layers"
    ):
        ChannelActivation(rank_at="pool_2", layers=["conv_2", "conv_1"]).scores(Network(model), clean)


def test_rank_at_is_a_name() -> None:
    with pytest.raises(
        ConfigError, match=r"^expected strategy.rank_at to be auto or the name of a layer, got 3: set auto or the name"
    ):
        ChannelActivation(rank_at=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("layers", [3, [], [3]])
def test_layers_are_names(layers: object) -> None:
    expected = "expected strategy.layers to be auto, all, convolutions, the name of a layer or a list of names"
    with pytest.raises(ConfigError) as error:
        ChannelActivation(layers=layers)  # type: ignore[arg-type]
    assert str(error.value).startswith(expected)
