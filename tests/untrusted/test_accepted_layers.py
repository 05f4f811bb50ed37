"""Every layer that is accepted: read as plain Keras reads it, cut and pruned as plain Keras would, and measured."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras
from nets import saved, seeded
from samples import pictures, split
from tf_keras import layers

from fineprune.evaluation.predict import predict, predict_steps
from fineprune.network.network import Network
from fineprune.network.step import Silence
from fineprune.strategies.rankings.channel_activation import ChannelActivation
from fineprune.untrusted import accepted
from fineprune.untrusted.network_files import load_model

pytestmark = pytest.mark.slow

SHAPE, CLASSES = (12, 10, 3), 5
CODE = {"Lambda", "Layer", "Wrapper", "AbstractRNNCell", "DenseFeatures"}

Build = Callable[[], layers.Layer]

IMAGES: dict[str, Build] = {
    "Conv2D": lambda: layers.Conv2D(4, 3, activation="relu6"),
    "Conv2D_dilated": lambda: layers.Conv2D(4, 3, dilation_rate=2, activation="leaky_relu"),
    "Conv2DTranspose": lambda: layers.Conv2DTranspose(4, 3, 2, "same"),
    "DepthwiseConv2D": lambda: layers.DepthwiseConv2D(3),
    "DepthwiseConv2D_dilated": lambda: layers.DepthwiseConv2D(3, dilation_rate=2),
    "SeparableConv2D": lambda: layers.SeparableConv2D(4, 3),
    "BatchNormalization": layers.BatchNormalization,
    "LayerNormalization": layers.LayerNormalization,
    "GroupNormalization": lambda: layers.GroupNormalization(3),
    "UnitNormalization": layers.UnitNormalization,
    "Normalization": layers.Normalization,
    "Normalization_given": lambda: layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.4, 0.5, 0.6]),
    "Activation": lambda: layers.Activation("swish"),
    "ReLU": lambda: layers.ReLU(0.5),
    "LeakyReLU": layers.LeakyReLU,
    "PReLU": lambda: layers.PReLU(shared_axes=(1, 2)),
    "ELU": layers.ELU,
    "ThresholdedReLU": lambda: layers.ThresholdedReLU(0.1),
    "Softmax": layers.Softmax,
    "Identity": layers.Identity,
    "MaxPooling2D": layers.MaxPooling2D,
    "AveragePooling2D": layers.AveragePooling2D,
    "Dropout": lambda: layers.Dropout(0.5),
    "SpatialDropout2D": lambda: layers.SpatialDropout2D(0.5),
    "GaussianNoise": lambda: layers.GaussianNoise(0.5),
    "GaussianDropout": lambda: layers.GaussianDropout(0.5),
    "AlphaDropout": lambda: layers.AlphaDropout(0.5),
    "ActivityRegularization": lambda: layers.ActivityRegularization(0.1),
    "ZeroPadding2D": lambda: layers.ZeroPadding2D(1),
    "Cropping2D": lambda: layers.Cropping2D(1),
    "UpSampling2D": lambda: layers.UpSampling2D(2, interpolation="bilinear"),
    "Rescaling": lambda: layers.Rescaling([1.0, 2.0, 3.0], -0.5),
    "Resizing": lambda: layers.Resizing(9, 11),
    "CenterCrop": lambda: layers.CenterCrop(9, 8),
    "CenterCrop_of_small_images": lambda: layers.CenterCrop(14, 8),
    "RandomBrightness": lambda: layers.RandomBrightness(0.5, value_range=(0, 1)),
    "RandomContrast": lambda: layers.RandomContrast(0.5),
    "RandomCrop": lambda: layers.RandomCrop(9, 8),
    "RandomFlip": layers.RandomFlip,
    "RandomHeight": lambda: layers.RandomHeight(0.5),
    "RandomRotation": lambda: layers.RandomRotation(0.5),
    "RandomTranslation": lambda: layers.RandomTranslation(0.5, 0.5),
    "RandomWidth": lambda: layers.RandomWidth(0.5),
    "RandomZoom": lambda: layers.RandomZoom(0.5),
}
ROWS: dict[str, Build] = {
    "Conv1D": lambda: layers.Conv1D(4, 3, dilation_rate=2, padding="causal"),
    "Conv1DTranspose": lambda: layers.Conv1DTranspose(4, 3, 2),
    "DepthwiseConv1D": lambda: layers.DepthwiseConv1D(3),
    "SeparableConv1D": lambda: layers.SeparableConv1D(4, 3, dilation_rate=2),
    "MaxPooling1D": layers.MaxPooling1D,
    "AveragePooling1D": layers.AveragePooling1D,
    "SpatialDropout1D": lambda: layers.SpatialDropout1D(0.5),
    "ZeroPadding1D": layers.ZeroPadding1D,
    "Cropping1D": layers.Cropping1D,
    "UpSampling1D": layers.UpSampling1D,
    "Permute": lambda: layers.Permute((2, 1)),
}
MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
ENDS = ("GlobalMaxPooling", "GlobalAveragePooling")


def chain(*stack: layers.Layer, rows: bool = False, end: str = "GlobalAveragePooling") -> keras.Model:
    """`stack` between a first convolution and a last pooling."""
    image = layers.Input(SHAPE)
    x = layers.Conv2D(3, 3, padding="same", activation="relu", name="first")(image)
    x = layers.Reshape((-1, 3))(x) if rows else x
    for layer in stack:
        x = layer(x)
    kind = getattr(layers, f"{end}{1 if rows else 2}D")
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax", name="output")(kind(name="pool")(x)))


def merged(kind: str) -> keras.Model:
    image = layers.Input(SHAPE)
    x = layers.Conv2D(3, 3, activation="relu", name="first")(image)
    x = getattr(layers, kind)()([x, layers.Conv2D(3, 3, name="second")(image)])
    x = layers.Flatten()(layers.MaxPooling2D(name="pool")(x))
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax", name="output")(x))


NETWORKS: dict[str, Callable[[], keras.Model]] = {
    **{name: lambda build=build: chain(build()) for name, build in IMAGES.items()},
    **{name: lambda build=build: chain(build(), rows=True) for name, build in ROWS.items()},
    **{kind: lambda kind=kind: merged(kind) for kind in MERGES},
    **{f"{end}{axes}D": lambda end=end, axes=axes: chain(rows=axes == 1, end=end) for end in ENDS for axes in (1, 2)},
}


@pytest.fixture(scope="module", params=NETWORKS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(seeded(NETWORKS[request.param]()), tmp_path_factory.mktemp("net") / "net.h5")


@pytest.fixture(scope="module")
def loaded(path: Path) -> keras.Model:
    return load_model(path)


def pixels(count: int = 9) -> np.ndarray:
    return pictures(count, SHAPE).astype(np.float32) / 255


def test_it_is_read_as_plain_keras_reads_it(path: Path, loaded: keras.Model) -> None:
    plain = keras.models.load_model(path, compile=False)
    assert np.array_equal(loaded(pixels(), training=False), plain(pixels(), training=False))


def test_it_stays_the_same_where_nobody_says_that_this_is_inference(loaded: keras.Model) -> None:
    network = Network(loaded)
    masked = network.masked(Silence)
    expected = network.logits(pixels(), training=False).numpy()
    assert masked(pixels(), np.ones(masked.size, np.float32)).numpy() == pytest.approx(expected, abs=1e-4)


def test_it_is_swept_as_plain_keras_would(loaded: keras.Model) -> None:
    """Plain Keras: what the pruned layer emits is multiplied by a mask on its way on."""
    network, images = Network(loaded), split(pictures(17, SHAPE), CLASSES)
    steps = list(ChannelActivation().steps(network, images))[:3]
    labels = predict_steps(network, steps, {"images": images}, lambda _: None)["images"]
    for row, step in enumerate(steps, start=1):
        (edit,) = step.edits
        tensor = network.model.get_layer(network.unit(edit.layer).end).output
        emitted = keras.Model(network.model.inputs, tensor)(pixels(17), training=False).numpy()
        scores = keras.Model(tensor, network.model.outputs)(emitted * edit.factors, training=False).numpy()
        pruned = network.pruned(step)
        assert pruned(pixels(17), training=False).numpy() == pytest.approx(scores, abs=1e-5)
        assert np.array_equal(labels[row], predict(pruned, images))


def test_every_layer_of_keras_is_read_or_said_not_to_be_supported_or_carries_code() -> None:
    own = {
        kind.__name__
        for kind in vars(layers).values()
        if isinstance(kind, type) and issubclass(kind, keras.layers.Layer)
    }
    groups = (accepted.LAYERS, accepted.AUGMENTATIONS | {"RandomCrop"}, accepted.NOT_YET, CODE)
    assert [name for name in own if sum(name in group for group in groups) != 1] == []


def test_every_layer_that_is_read_is_tried() -> None:
    tried = {name.split("_")[0] for name in NETWORKS} | {"InputLayer", "Dense", "Flatten", "Reshape"}
    assert tried == accepted.LAYERS | accepted.AUGMENTATIONS | {"RandomCrop"}
