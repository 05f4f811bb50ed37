"""Networks as Keras's users build and save them: found in a file, pruned, and evaluated as plain Keras would."""

from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras
from nets import saved, seeded
from samples import pictures, split
from tf_keras import layers

from fineprune.badnets.architectures import resnet
from fineprune.data.split import ArraySplit
from fineprune.evaluation.predict import predict, predict_steps
from fineprune.network.network import Network
from fineprune.strategies.rankings.channel_activation import ChannelActivation
from fineprune.untrusted import network_files

pytestmark = pytest.mark.slow

SHAPE = (32, 32, 3)


def mobilenet() -> keras.Model:
    return keras.applications.MobileNetV2(SHAPE, 0.35, weights=None, classes=5)


def resnet50() -> keras.Model:
    return keras.applications.ResNet50(weights=None, input_shape=SHAPE, classes=5)


def sequential() -> keras.Model:
    stack = [layers.Input(SHAPE), layers.Conv2D(8, 3), layers.BatchNormalization(), layers.ReLU()]
    stack += [layers.MaxPooling2D(), layers.Dropout(0.5), layers.SeparableConv2D(6, 3), layers.Conv2D(7, 3)]
    stack += [layers.LeakyReLU(), layers.AveragePooling2D(), layers.Flatten(), layers.Dense(5, activation="softmax")]
    return keras.Sequential(stack)


def small_resnet() -> keras.Model:
    return resnet(SHAPE, 5)


def read_back(model: keras.Model, folder: Path) -> tuple[Network, ArraySplit]:
    return Network(network_files.load_model(saved(seeded(model), folder / "net.h5"))), split(pictures(11, SHAPE), 5)


@pytest.mark.parametrize("build", [mobilenet, sequential, small_resnet])
def test_channels_are_pruned_as_plain_keras_would(build, tmp_path: Path) -> None:
    network, images = read_back(build(), tmp_path)
    steps = list(
        ChannelActivation(chunk={mobilenet: 400, sequential: 3, small_resnet: 32}[build]).steps(network, images)
    )
    labels = predict_steps(network, steps, {"images": images}, lambda _: None)["images"]
    for net, ours in zip([network.model, *map(network.pruned, steps)], labels, strict=True):
        assert np.array_equal(ours, predict(net, images))
        assert np.array_equal(ours, net.predict(images.pixels(0, 11) * np.float32(1 / 255), verbose=0).argmax(axis=1))


def test_where_a_sum_feeds_the_last_pooling_its_channels_are_pruned(tmp_path: Path) -> None:
    network, images = read_back(resnet50(), tmp_path)
    (edit,) = next(ChannelActivation().steps(network, images)).edits
    assert edit.layer == "conv5_block3_add"
    assert list(ChannelActivation(rank_at="conv5_block3_2_relu", layers="conv5_block3_2_conv").steps(network, images))
