"""Networks that are odd, and honest: read, pruned and saved like others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras
from nets import saved, seeded
from samples import pictures, split
from tf_keras import layers

from fineprune.errors import ModelError
from fineprune.evaluation.predict import predict, predict_steps
from fineprune.files import save_model
from fineprune.network.network import Network
from fineprune.strategies.rankings.channel_activation import ChannelActivation
from fineprune.untrusted.keras_config import safe_name
from fineprune.untrusted.network_files import load_model

SHAPE = (12, 10, 3)


def images(count: int = 9) -> np.ndarray:
    return pictures(count, SHAPE).astype(np.float32) / 255


def with_activations(*, sequential: bool) -> keras.Model:
    stack: list[layers.Layer] = [
        layers.Conv2D(4, 3, activation=layers.LeakyReLU(0.3), name="conv"),
        layers.MaxPooling2D(name="pool"),
        layers.Flatten(),
        layers.Dense(6, activation=layers.ReLU(0.5)),
        layers.Dense(5, activation=layers.Softmax()),
    ]
    if sequential:
        return keras.Sequential([layers.Input(SHAPE), *stack])
    x = image = layers.Input(SHAPE)
    for layer in stack:
        x = layer(x)
    return keras.Model(image, x)


def called_twice() -> keras.Model:
    image = layers.Input(SHAPE)
    shared = layers.Conv2D(3, 3, padding="same", activation=layers.LeakyReLU(0.3))
    x = layers.Add()([shared(image), shared(shared(image))])
    return keras.Model(image, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize(
    "build",
    [lambda: with_activations(sequential=False), lambda: with_activations(sequential=True), called_twice],
    ids=["functional", "sequential", "called twice"],
)
@pytest.mark.slow
def test_a_layer_as_an_activation(tmp_path: Path, build: Callable[[], keras.Model]) -> None:
    model = seeded(build())
    loaded = load_model(saved(model, tmp_path / "net.h5"))
    assert np.allclose(loaded(images(), training=False), model(images(), training=False), atol=1e-6)


def test_a_network_with_layers_as_activations_is_swept(tmp_path: Path) -> None:
    network = Network(load_model(saved(seeded(with_activations(sequential=True)), tmp_path / "net.h5")))
    assert network.unit("conv").followers == ("conv_activation",)
    data = split(pictures(17, SHAPE), 5)
    steps = list(ChannelActivation().steps(network, data))
    labels = predict_steps(network, steps, {"images": data}, lambda _: None)["images"]
    assert all(np.array_equal(labels[row], predict(network.pruned(step), data)) for row, step in enumerate(steps, 1))


@pytest.mark.parametrize("dtype", ["float16", "float64", "mixed_float16"])
def test_other_precisions_compute_in_single_precision(tmp_path: Path, dtype: str) -> None:
    image = layers.Input(SHAPE)
    x = layers.Flatten()(layers.MaxPooling2D()(layers.Conv2D(4, 3, dtype=dtype)(image)))
    model = seeded(keras.Model(image, layers.Dense(5, dtype=dtype)(x)))
    loaded = load_model(saved(model, tmp_path / "net.h5"))
    assert {weight.dtype for weight in loaded.get_weights()} == {np.dtype(np.float32)}
    assert np.allclose(loaded(images()), model(images()), atol=1e-6 if dtype == "float64" else 2e-2)


def of_any_size(*, first: bool = False, sequential: bool = False) -> keras.Model:
    """Of networks for images of any size, one inside of the other where channels come last."""
    order = {"data_format": "channels_first" if first else "channels_last"}
    inside = layers.Input((4, None, None) if first else (None, None, 4))
    inner = keras.Model(inside, layers.Conv2D(5, 3, **order)(inside), name="inner")
    stack = [
        layers.Conv2D(4, 3, **order),
        *([] if first else [inner]),
        layers.GlobalMaxPooling2D(**order),
        layers.Dense(5),
    ]
    x = image = layers.Input((3, None, None) if first else (None, None, 3))
    for layer in stack:
        x = layer(x)
    return keras.Sequential([image, *stack]) if sequential else keras.Model(image, x)


@pytest.mark.parametrize("settings", [{}, {"sequential": True}, {"first": True}], ids=str)
def test_a_network_for_images_of_any_size_becomes_one_for_those_that_it_is_given(
    tmp_path: Path, settings: dict[str, bool]
) -> None:
    model = of_any_size(**settings)
    path = saved(model, tmp_path / "net.h5")
    loaded = load_model(path, shape=SHAPE)
    assert loaded.input_shape == (None, *SHAPE)
    if "first" not in settings:  # which TensorFlow does not run here
        assert np.allclose(loaded(images(), training=False), model(images(), training=False), atol=1e-6)
    with pytest.raises(ModelError, match=r"got one for images of any size, \(None, None, 3\): give images, or set"):
        load_model(path)


def with_two_outputs() -> keras.Model:
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu")(image)
    aside = layers.Dense(4, name="b/side")(layers.Flatten()(x))
    x = layers.GlobalMaxPooling2D()(layers.Conv2D(5, 3)(x))
    return seeded(keras.Model(image, [layers.Dense(5, name="main")(x), aside]))


@pytest.mark.parametrize(("name", "number"), [("main", 0), ("b/side", 1)])
@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.slow
def test_one_of_several_outputs(tmp_path: Path, name: str, number: int, suffix: str) -> None:
    model = with_two_outputs()
    path = tmp_path / f"net.{suffix}"
    saved(model, path) if suffix == "h5" else model.save(path)
    loaded = load_model(path, output=name)
    assert np.allclose(loaded(images()), model(images())[number], atol=1e-6)


@pytest.mark.parametrize("output", [None, "other"])
def test_an_output_has_to_be_chosen_where_there_are_several(tmp_path: Path, output: str | None) -> None:
    with pytest.raises(ModelError) as error:
        load_model(saved(with_two_outputs(), tmp_path / "net.h5"), output=output)
    assert str(error.value) == (
        f"expected the name of one output of the network in {tmp_path / 'net.h5'}, of main, b_side, got "
        f"{'none' if output is None else repr(output)}: set badnet.output=NAME"
    )


NAMES = {
    "conv_1": "conv_1",
    "tf.math.truediv": "tf.math.truediv",
    "my net": "my_net",
    "block/conv": "block_conv",
    "a\x1b[31m\n": "a__31m_",
    "": "layer_",
    "..": "layer_..",
    "top_level_model_weights": "layer_top_level_model_weights",
    "_x": "layer__x",
    "é" * 1000: "layer_" + "_" * 200,
}


@pytest.mark.parametrize("name", NAMES)
def test_names_become_safe(name: str) -> None:
    assert safe_name(name) == NAMES[name]
    assert safe_name(safe_name(name)) in (safe_name(name), safe_name(name)[:200])


def test_a_network_of_odd_names_keeps_its_weights_and_can_be_saved(tmp_path: Path) -> None:
    image = layers.Input(SHAPE, name="an image")
    x = layers.Conv2D(4, 3, name="block/conv")(image)
    x = layers.BatchNormalization(name="block/conv/norm")(x)
    x = layers.GlobalMaxPooling2D(name="conv_gate")(x)
    model = seeded(keras.Model(image, layers.Dense(5, name="top_level_model_weights_")(x)))
    model._name = "my net"
    loaded = load_model(saved(model, tmp_path / "net.h5"))
    assert [loaded.name, *(layer.name for layer in loaded.layers)] == [
        "my_net",
        "an_image",
        "block_conv",
        "block_conv_norm",
        "conv_gate",
        "top_level_model_weights_",
    ]
    save_model(loaded, tmp_path / "again.h5")
    again = keras.models.load_model(tmp_path / "again.h5", compile=False)
    expected = model(images(), training=False)
    assert all(np.allclose(net(images(), training=False), expected, atol=1e-6) for net in (loaded, again))


def test_a_layer_may_be_called_as_a_gate_would_be(tmp_path: Path) -> None:
    image = layers.Input(SHAPE)
    x = layers.Activation("relu", name="conv_gate")(layers.Conv2D(4, 3, name="conv")(image))
    x = layers.Flatten()(layers.MaxPooling2D(name="conv_limit")(x))
    network = Network(load_model(saved(seeded(keras.Model(image, layers.Dense(5)(x))), tmp_path / "net.h5")))
    data = split(pictures(7, SHAPE), 5)
    steps = list(ChannelActivation().steps(network, data))
    assert len(predict_steps(network, steps, {"images": data}, lambda _: None)["images"]) == len(steps) + 1


def test_one_score_for_two_classes_is_said_not_to_be_supported(tmp_path: Path) -> None:
    image = layers.Input((4, 4, 3))
    net = keras.Model(image, layers.Dense(1, activation="sigmoid")(layers.Flatten()(image)))
    with pytest.raises(ModelError) as error:
        load_model(saved(net, tmp_path / "net.h5"))
    assert str(error.value) == (
        f"expected a score for each class from the network in {tmp_path}/net.h5, got one score, as a sigmoid's for two "
        "classes, which is not supported: give it a layer of two outputs, 1 − p and p"
    )
