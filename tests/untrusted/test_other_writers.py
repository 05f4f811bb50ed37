"""Networks that others than plain Keras 2 saved: Keras 3, tensorflow-model-optimization, and this program itself."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from archives import keras3_files
from commands import once
from nets import same, saved, seeded, tiny
from samples import pictures
from tf_keras import layers

from fineprune.errors import ModelError
from fineprune.goodnet import GoodNet
from fineprune.network.network import Network
from fineprune.network.step import Step
from fineprune.untrusted.network_files import load_model, load_weights

SHAPE = (12, 10, 3)


def pixels(model: keras.Model) -> np.ndarray:
    return pictures(9, model.input_shape[1:]).astype(np.float32) / 255


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as error:
        load_model(path)
    return str(error.value).replace(str(path), "FILE")


@pytest.fixture(scope="module")
def keras3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "keras3", keras3_files.write)


@pytest.mark.slow
@pytest.mark.parametrize("name", keras3_files.NAMES)
@pytest.mark.parametrize("suffixes", ["h5", "keras", "json weights.h5"])
def test_a_file_of_keras_3_gives_the_scores_that_keras_3_gave(keras3: Path, name: str, suffixes: str) -> None:
    expected = np.load(keras3 / f"{name}.npz")
    model = load_model(*(keras3 / f"{name}.{suffix}" for suffix in suffixes.split()))
    scores = model.predict(expected["images"], verbose=0)
    assert scores == pytest.approx(expected["scores"], abs=1e-2 if name == "half_precision" else 1e-4, rel=1e-4)
    assert np.array_equal(scores.argmax(1), expected["scores"].argmax(1))


@pytest.mark.slow
@pytest.mark.parametrize("name", keras3_files.REFUSED)
def test_what_keras_3_alone_has_or_means_is_said_not_to_be_supported(keras3: Path, name: str) -> None:
    assert f"got '{keras3_files.REFUSED[name]}': not loaded, since this one" in refused(keras3 / f"{name}.h5")


def wrapped(model: keras.Model) -> keras.Model:
    """`model` in tfmot's wrappers, with masks that its weights do not show yet."""
    sparse = tfmot.sparsity.keras.prune_low_magnitude(model)
    random = np.random.default_rng(0)
    for variable in sparse.variables:
        if variable.name.split("/")[-1].startswith("mask"):
            variable.assign(random.integers(0, 2, variable.shape))
    return sparse


def many_kinds() -> keras.Model:
    image = layers.Input(SHAPE)
    x = layers.SeparableConv2D(3, 1, name="separable")(image)
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, name="conv")(x))
    x = layers.Add(name="sum")([x, layers.Conv2DTranspose(4, 1, name="transposed")(x)])
    x = layers.GlobalAveragePooling2D(name="pool")(layers.ReLU(name="relu")(x))
    return seeded(keras.Model(image, layers.Dense(5, activation="softmax", name="output")(x)))


def sequential() -> keras.Model:
    stack = [layers.Conv2D(4, 3, activation="relu", input_shape=SHAPE), layers.MaxPooling2D(), layers.Flatten()]
    return seeded(keras.Sequential([*stack, layers.Dense(5, activation="softmax")]))


@pytest.mark.parametrize("build", [tiny, many_kinds, sequential])
@pytest.mark.slow
def test_a_network_in_the_wrappers_of_tfmot_is_what_tfmot_makes_of_it_without_them(build, tmp_path: Path) -> None:
    sparse = wrapped(build())
    path = saved(sparse, tmp_path / "net.h5")
    loaded = load_model(path)
    images = pixels(loaded)
    expected = sparse.predict(images, verbose=0)  # which multiplies the weights by the masks
    stripped = tfmot.sparsity.keras.strip_pruning(sparse)
    assert {layer.name for layer in stripped.layers} <= {layer.name for layer in loaded.layers}
    assert same(loaded.get_weights(), stripped.get_weights())
    assert loaded.predict(images, verbose=0) == pytest.approx(expected, abs=1e-6)


def test_weights_alone_are_taken_out_of_the_wrappers_too(tmp_path: Path) -> None:
    sparse, model = wrapped(tiny()), tiny(1)
    sparse.save_weights(tmp_path / "weights.h5")
    load_weights(model, tmp_path / "weights.h5")
    assert model.predict(pixels(model), verbose=0) == pytest.approx(sparse.predict(pixels(model), verbose=0), abs=1e-6)


def test_arithmetic_between_layers_is_read_as_layers(tmp_path: Path) -> None:
    image = layers.Input(SHAPE)
    x = (image / 127.5 - 1.0 - [0.1, 0.2, 0.3]) / [0.229, 0.224, 0.225]
    x = layers.Conv2D(3, 3, padding="same", name="conv")(1 - 2 * x)
    x = layers.MaxPooling2D(name="pool")(x + x * image)
    model = seeded(keras.Model(image, layers.Dense(5)(layers.Flatten()(x))))
    path = saved(model, tmp_path / "net.h5")
    loaded, plain = load_model(path), keras.models.load_model(path, compile=False)
    images = pixels(model) * 255
    assert loaded(images).numpy() == pytest.approx(plain(images).numpy(), rel=1e-4, abs=1e-3)
    assert list(Network(loaded).units) == ["conv"]


def test_other_functions_of_tensorflow_are_refused_by_name(tmp_path: Path) -> None:
    image = layers.Input(SHAPE)
    model = keras.Model(image, layers.Dense(5)(layers.Flatten()(tf.reverse(image, [1]))))
    assert "got 'tf.reverse': not loaded, since building it could" in refused(saved(model, tmp_path / "net.h5"))


def test_a_goodnet_is_not_one_network(tmp_path: Path) -> None:
    GoodNet(tiny(0), tiny(1)).save(tmp_path / "goodnet.h5")
    assert refused(tmp_path / "goodnet.h5") == (
        "expected one network in FILE, got a GoodNet, which holds a BadNet and its pruned net: give those two, or "
        "measure it by runners.evaluate goodnet=FILE"
    )


def test_a_layer_of_keras_that_nobody_has_made_work_is_not_said_to_carry_code(tmp_path: Path) -> None:
    image = layers.Input(SHAPE)
    model = keras.Model(image, layers.Dense(5)(layers.LSTM(3)(layers.Reshape((-1, 3))(image))))
    assert refused(saved(model, tmp_path / "net.h5")) == (
        "expected only layers that can be read in FILE, got 'LSTM': not loaded, since this one of Keras's is not "
        "supported yet: build the network without it, and give it the same weights"
    )


def test_a_layer_that_stays_random_in_inference(tmp_path: Path) -> None:
    image = layers.Input(SHAPE)
    model = keras.Model(image, layers.Dense(5)(layers.Flatten()(layers.RandomFlip()(image, training=True))))
    message = refused(saved(model, tmp_path / "net.h5"))
    assert message.startswith("expected layers that are called as in inference in FILE, got one with training=True")


def test_a_normalisation_keeps_what_it_was_adapted_to_in_copies(tmp_path: Path) -> None:
    inside, image = layers.Input(SHAPE), layers.Input(SHAPE)
    base = keras.Model(inside, layers.Conv2D(3, 3, name="conv")(layers.Normalization()(inside)), name="base")
    x = layers.GlobalAveragePooling2D()(base(image, training=False))
    model = seeded(keras.Model(image, layers.Dense(5, activation="softmax")(x)))
    network = Network(load_model(saved(model, tmp_path / "net.h5")))
    expected = model.predict(pixels(model), verbose=0)
    for net in (network.model, network.pruned(Step())):
        assert net.predict(pixels(model), verbose=0) == pytest.approx(expected, abs=1e-6)
