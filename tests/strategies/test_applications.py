"""Channels of the last pooling are pruned, at the strategy's defaults, in the networks that people have."""

from collections.abc import Callable

import numpy as np
import pytest
import tf_keras as keras
from samples import pictures, split
from tf_keras import applications, layers

from fineprune.data.split import Split
from fineprune.evaluation.predict import predict, predict_steps
from fineprune.network.network import Network
from fineprune.network.step import Step
from fineprune.strategies.rankings.channel_activation import ChannelActivation
from fineprune.testing.networks import seeded

CLASSES = 10


def transfer(**about: object) -> keras.Model:
    """A network inside the network, with a new head."""
    base = applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    image = layers.Input((32, 32, 3))
    pooled = layers.GlobalAveragePooling2D(name="pool")(base(image))
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(pooled))


def classifying_convolution() -> keras.Model:
    """A last convolution with a channel a class, then pooling."""
    image = layers.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, activation="relu", name="hidden")(image)
    x = layers.GlobalAveragePooling2D(name="pool")(layers.Conv2D(CLASSES, 1, name="classes")(x))
    return keras.Model(image, layers.Softmax()(x))


def mixed_layers() -> keras.Model:
    """Separable, depthwise, transposed and one-dimensional convolutions, and activations with slopes."""
    image = layers.Input((16, 16, 3))
    x = layers.LeakyReLU()(layers.SeparableConv2D(6, 3)(image))
    x = layers.PReLU()(layers.DepthwiseConv2D(3)(x))
    x = layers.Conv2DTranspose(5, 3, activation="relu")(x)
    x = layers.Conv1D(7, 3, activation="relu")(layers.Reshape((-1, 5))(x))
    x = layers.Flatten()(layers.MaxPooling1D(name="pool")(x))
    return seeded(keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x)))


NETWORKS: dict[str, tuple[Callable[..., keras.Model], int]] = {
    "ResNet50": (applications.ResNet50, 32),
    "DenseNet121": (applications.DenseNet121, 32),
    "MobileNetV2": (applications.MobileNetV2, 32),
    "VGG16": (applications.VGG16, 32),
    "EfficientNetB0": (applications.EfficientNetB0, 32),
    "ResNet50V2": (applications.ResNet50V2, 32),
    "MobileNet": (applications.MobileNet, 32),
    "MobileNetV3Small": (applications.MobileNetV3Small, 32),
    "EfficientNetV2B0": (applications.EfficientNetV2B0, 32),
    "InceptionV3": (applications.InceptionV3, 75),
    "InceptionResNetV2": (applications.InceptionResNetV2, 75),
    "Xception": (applications.Xception, 71),
    "NASNetMobile": (applications.NASNetMobile, 32),
    "ConvNeXtTiny": (applications.ConvNeXtTiny, 32),
    "RegNetX002": (applications.RegNetX002, 32),
    "ResNetRS50": (applications.ResNetRS50, 32),
}
OWN = {"transfer": transfer, "classifying_convolution": classifying_convolution, "mixed_layers": mixed_layers}


def built(name: str) -> keras.Model:
    keras.utils.set_random_seed(0)
    if name in OWN:
        return OWN[name]()
    build, size = NETWORKS[name]
    return build(weights=None, classes=CLASSES, input_shape=(size, size, 3))


SWEPT = ("ResNet50", "MobileNetV2", "VGG16", *OWN)


@pytest.mark.slow
@pytest.mark.parametrize("name", SWEPT)
def test_the_curve_is_that_of_plain_keras(name: str) -> None:
    """Plain Keras: the activations at the pooling, or what feeds it, are multiplied by a mask on their way on."""
    network = Network(built(name))
    images = split(pictures(12, network.input_shape), CLASSES, scale=1.0)
    steps = in_quarters(network, images)
    labels = predict_steps(network, steps, {"images": images}, lambda _: None)["images"]
    for row, step in enumerate(steps, start=1):
        pruned = expect_plain_scores(network, step, images)
        assert np.array_equal(labels[row], predict(pruned, images))


# EfficientNetV2 names its initialisers in a way that tf_keras itself warns of.
@pytest.mark.filterwarnings("ignore:The `keras.initializers.serialize:UserWarning")
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(NETWORKS) - set(SWEPT)))
def test_the_net_of_one_step_is_that_of_plain_keras(name: str) -> None:
    network = Network(built(name))
    images = split(pictures(4, network.input_shape), CLASSES, scale=1.0)
    expect_plain_scores(network, in_quarters(network, images)[1], images)


def in_quarters(network: Network, images: Split) -> list[Step]:
    """Steps that prune a quarter, half and three quarters of the channels."""
    channels = network.unit(network.feeding(network.last_pooling())).channels
    chunk = -(-channels // 4)
    steps = list(ChannelActivation(chunk=chunk).steps(network, images))[:3]
    assert [step.pruned for step in steps] == [min(count * chunk, channels) for count in (1, 2, 3)]
    return steps


def expect_plain_scores(network: Network, step: Step, images: Split) -> keras.Model:
    """The pruned net, once its scores are those of plain Keras."""
    pixels, (edit,) = images.pixels(0, len(images)), step.edits
    tensor = network.model.get_layer(network.unit(edit.layer).end).output
    emitted = keras.Model(network.model.inputs, tensor)(pixels).numpy()
    expected = keras.Model(tensor, network.model.outputs)(emitted * edit.factors).numpy()
    pruned = network.pruned(step)
    assert pruned(pixels).numpy() == pytest.approx(expected, abs=1e-5)
    return pruned
