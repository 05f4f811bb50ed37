"""Archives of tf_keras, weights by their layers' places, and architectures in JSON."""

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from nets import deepid, residual, same, saved, seeded, tiny
from samples import pictures
from tf_keras import layers

from fineprune.badnets.architectures import deepid as untrained_deepid
from fineprune.badnets.source import FromFile, read_network
from fineprune.errors import ModelError
from fineprune.untrusted.network_files import load_model, load_weights, opened

pytestmark = pytest.mark.slow

SHAPE = (12, 10, 3)


def pixels() -> np.ndarray:
    return pictures(9, SHAPE).astype(np.float32) / 255


def refused(*paths: Path) -> str:
    with pytest.raises(ModelError) as error:
        load_model(*paths)
    return str(error.value).replace(str(paths[0]), "FILE")


def archived(model: keras.Model, path: Path) -> Path:
    model.save(path)
    return path


def many_kinds() -> keras.Model:
    image = layers.Input(SHAPE, name="image")
    x = layers.Normalization()(layers.RandomFlip()(image / 2.0))
    x = layers.SeparableConv2D(4, 3, activation="swish")(layers.DepthwiseConv2D(3)(x))
    x = layers.Conv2DTranspose(3, 2, activation=layers.LeakyReLU(0.3))(layers.PReLU(shared_axes=(1, 2))(x))
    x = layers.GroupNormalization(3)(layers.LayerNormalization()(x))
    x = layers.Conv1D(4, 3)(layers.Reshape((-1, 3))(x))
    return keras.Model(image, layers.Dense(5)(layers.GlobalAveragePooling1D()(layers.Dropout(0.5)(x))))


def branches() -> keras.Model:
    """Convolutions of one shape, made in another order than they are called in, one behind more layers."""
    image = layers.Input(SHAPE)
    first, second = layers.Conv2D(3, 3, padding="same"), layers.Conv2D(3, 3, padding="same")
    third = layers.Conv2D(3, 3, padding="same", activation=layers.LeakyReLU(0.3))
    x, y = second(third(image)), first(layers.ReLU()(image))
    return keras.Model(image, layers.Dense(5)(layers.Flatten()(layers.Concatenate()([y, x]))))


def nested() -> keras.Model:
    """Two networks inside, one of them frozen, between layers of the same classes."""
    image, inside = layers.Input(SHAPE), layers.Input(SHAPE)
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(3, 3, padding="same", name="conv")(inside))
    base = keras.Model(inside, x, name="base")
    base.trainable = False
    after = keras.Sequential([layers.Input(SHAPE), layers.Conv2D(3, 3, name="conv"), layers.ReLU()], name="after")
    x = after(base(layers.Conv2D(3, 3, padding="same", name="conv")(image)))
    return keras.Model(image, layers.Dense(5)(layers.GlobalMaxPooling2D()(layers.Conv2D(3, 3)(x))))


def sequential() -> keras.Model:
    stack = [layers.Conv2D(4, 3, activation="relu", input_shape=SHAPE), layers.MaxPooling2D(), layers.Flatten()]
    return keras.Sequential([*stack, layers.Dense(5, activation="softmax")])


BUILDS = [tiny, residual, sequential, many_kinds, branches, nested]


@pytest.mark.parametrize("build", BUILDS)
def test_an_archive_of_tf_keras(build: Callable[[], keras.Model], tmp_path: Path) -> None:
    model = seeded(build())
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy())
    model.fit(pixels(), np.arange(9) % 5, verbose=0)
    scores = load_model(archived(model, tmp_path / "net.keras")).predict(pixels(), verbose=0)
    expected = model.predict(pixels(), verbose=0)
    assert scores == pytest.approx(expected, abs=1e-5)
    assert np.array_equal(scores.argmax(1), expected.argmax(1))


@pytest.mark.parametrize("suffix", ["weights.h5", "h5"])
@pytest.mark.parametrize("build", BUILDS)
def test_weights_with_their_architecture_in_json(build: Callable[[], keras.Model], suffix: str, tmp_path: Path) -> None:
    model = seeded(build())
    (tmp_path / "net.json").write_text(model.to_json())
    model.save_weights(tmp_path / f"net.{suffix}")
    loaded = load_model(tmp_path / "net.json", tmp_path / f"net.{suffix}")
    assert loaded.predict(pixels(), verbose=0) == pytest.approx(model.predict(pixels(), verbose=0), abs=1e-5)


def test_weights_by_places_in_a_known_architecture(tmp_path: Path) -> None:
    path = tmp_path / "net.weights.h5"
    deepid().save_weights(path)
    assert opened(path, "weights").classes == 20
    model = untrained_deepid((55, 47, 3), 20)
    load_weights(model, path)
    assert same(model.get_weights(), deepid().get_weights())


def test_other_weights_replace_those_of_an_archive(tmp_path: Path) -> None:
    tiny(1).save_weights(tmp_path / "net.weights.h5")
    loaded = load_model(archived(tiny(0), tmp_path / "net.keras"), tmp_path / "net.weights.h5")
    assert same(loaded.get_weights(), tiny(1).get_weights())


def test_wrappers_of_tfmot_in_an_archive(tmp_path: Path) -> None:
    sparse = tfmot.sparsity.keras.prune_low_magnitude(seeded(sequential()))
    random = np.random.default_rng(0)
    for variable in sparse.variables:
        if variable.name.split("/")[-1].startswith("mask"):
            variable.assign(random.integers(0, 2, variable.shape))
    loaded = load_model(archived(sparse, tmp_path / "net.keras"))
    expected = sparse.predict(pixels(), verbose=0)  # which multiplies the weights by the masks
    assert same(loaded.get_weights(), tfmot.sparsity.keras.strip_pruning(sparse).get_weights())
    assert loaded.predict(pixels(), verbose=0) == pytest.approx(expected, abs=1e-6)


def packed_anew(path: Path, change: Callable[[str, bytes], bytes] = lambda _, content: content) -> Path:
    """The archive `path`, deflated, its entries in another order and changed."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in reversed(archive.namelist())}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, change(name, content))
    return path


def test_an_archive_that_was_packed_anew(tmp_path: Path) -> None:
    path = packed_anew(archived(tiny(), tmp_path / "net.keras"))
    assert same(load_model(path).get_weights(), tiny().get_weights())


@pytest.mark.parametrize("first", ["notes.txt", ".DS_Store", "net/"])
def test_whatever_entry_comes_first(first: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(archived(tiny(), tmp_path / "net.keras")) as old:
        entries = [(name, old.read(name)) for name in reversed(old.namelist())]
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        for name, content in [(first, b""), *entries]:
            archive.writestr(name, content)
    assert same(load_model(tmp_path / "net.keras").get_weights(), tiny().get_weights())


def test_an_archive_of_the_folder_of_one_is_said_to_be_none(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        for name in ("net/", "net/model.weights.h5", "net/config.json"):
            archive.writestr(name, b"")
    assert refused(tmp_path / "net.keras") == (
        "expected config.json in the archive FILE, as Keras writes it, got net/, net/model.weights.h5, "
        "net/config.json: save it again"
    )


def edited(path: Path, edit: Callable[[h5py.File], None]) -> Path:
    def change(name: str, content: bytes) -> bytes:
        if name != "model.weights.h5":
            return content
        file = BytesIO(content)
        with h5py.File(file, "r+") as weights:
            edit(weights)
        return file.getvalue()

    return packed_anew(path, change)


def test_an_archive_of_keras_2_13(tmp_path: Path) -> None:
    path = archived(nested(), tmp_path / "net.keras")

    def rename(weights: h5py.File) -> None:
        weights.move("layers/functional/layers", "layers/functional/_layer_checkpoint_dependencies")
        weights.move("layers", "_layer_checkpoint_dependencies")

    expected = load_model(path).get_weights()
    assert same(load_model(edited(path, rename)).get_weights(), expected)


def test_weights_that_are_not_there_are_said_by_their_layer_s_name(tmp_path: Path) -> None:
    path = edited(archived(nested(), tmp_path / "net.keras"), lambda file: file.pop("layers/functional/layers/conv2d"))
    assert refused(path).startswith("expected 'base/conv' in FILE, /layers, got ")


def test_weights_of_other_shapes_are_said_by_their_layer_s_name(tmp_path: Path) -> None:
    def change(weights: h5py.File) -> None:
        del weights["layers/dense/vars/0"]
        weights["layers/dense/vars/0"] = np.ones((2, 2), np.float32)

    path = edited(archived(tiny(), tmp_path / "net.keras"), change)
    assert refused(path).startswith(
        "expected weights of shapes [(12, 8), (8,)] for layer 'hidden' in FILE, got [(2, 2)"
    )


def test_an_architecture_alone_is_no_network(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(tiny().to_json())
    assert refused(tmp_path / "net.json") == (
        "expected weights in FILE, got an architecture alone: put them beside it as net.weights.h5 or net.h5, or give "
        "them as badnet.weights=FILE"
    )


@pytest.mark.parametrize("suffix", ["weights.h5", "h5"])
def test_weights_beside_an_architecture_under_its_name_are_its_own(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.json").write_text(tiny().to_json())
    tiny().save_weights(tmp_path / f"net.{suffix}")
    tiny(3).save_weights(tmp_path / "other.weights.h5")
    assert same(load_model(tmp_path / "net.json").get_weights(), tiny().get_weights())
    chosen = f"weights of {tmp_path}/net.json: {tmp_path}/net.{suffix}, which lies beside it\n"
    assert capsys.readouterr().err == chosen
    assert same(read_network(str(tmp_path / "net.json"), "deepid", None).get_weights(), tiny().get_weights())
    assert same(load_model(tmp_path / "net.json", tmp_path / "other.weights.h5").get_weights(), tiny(3).get_weights())


def test_a_network_is_read_again_once_the_weights_beside_it_have_changed(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(tiny().to_json())
    for seed in (0, 3):
        tiny(seed).save_weights(tmp_path / "net.weights.h5")
        examined = FromFile(model=str(tmp_path / "net.json")).examined(None)
        assert same(examined.model.get_weights(), tiny(seed).get_weights())


@pytest.mark.parametrize("layers", ["[1]", "5", '"abc"', '["a"]', '[{"config": 7, "class_name": "Functional"}]'])
def test_an_architecture_of_layers_that_are_none_is_refused_beside_weights(layers: str, tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(f'{{"class_name": "Functional", "config": {{"name": "x", "layers": {layers}}}}}')
    tiny().save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(ModelError, match="^expected "):
        load_model(tmp_path / "net.json", tmp_path / "w.weights.h5")


def test_an_archive_that_was_unpacked_is_said_to_be_one(tmp_path: Path) -> None:
    with zipfile.ZipFile(archived(tiny(), tmp_path / "net.keras")) as archive:
        archive.extractall(tmp_path / "net")
    said = refused(tmp_path / "net")
    assert said == (
        "expected a network at FILE to be a file, got the folder of an archive: give its config.json, beside which its "
        "weights are found"
    )
    assert same(load_model(tmp_path / "net" / "config.json").get_weights(), tiny().get_weights())


def test_other_archives_are_none_of_keras_s(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
    assert refused(tmp_path / "net.keras") == (
        "expected config.json in the archive FILE, as Keras writes it, got metadata.json: save it again"
    )


def test_a_whole_network_s_weights_go_to_an_architecture_in_json(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(tiny().to_json())
    loaded = load_model(tmp_path / "net.json", saved(tiny(3), tmp_path / "net.h5"))
    assert same(loaded.get_weights(), tiny(3).get_weights())


def shared() -> keras.Model:
    """A convolution stands in a network inside, and behind the image of the one outside."""
    conv, image = layers.Conv2D(3, 3, padding="same", name="shared"), layers.Input(SHAPE)
    inner = keras.Model(image, conv(layers.Conv2D(3, 1)(image)), name="inner")
    outer = layers.Input(SHAPE)
    x = layers.GlobalAveragePooling2D()(layers.Add()([inner(outer), conv(outer)]))
    return seeded(keras.Model(outer, layers.Dense(5)(x)))


@pytest.mark.parametrize("name", ["net.h5", "net.keras", "net"])
def test_a_layer_that_two_networks_share_is_read_from_hdf5_or_refused(name: str, tmp_path: Path) -> None:
    if name == "net.h5":
        expected = shared().predict(pixels(), verbose=0)
        assert np.array_equal(load_model(saved(shared(), tmp_path / name)).predict(pixels(), verbose=0), expected)
        return
    shared().save(tmp_path / name)
    assert "shared' in FILE, /layers, got " in refused(tmp_path / name)
    assert "two networks share, which only model.save('NAME.h5') keeps?" in refused(tmp_path / name)
