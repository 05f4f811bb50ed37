"""Networks whose channels come first are read as those with channels last, which give the same scores."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from nets import saved, seeded
from samples import SHAPE, pictures
from tf_keras import layers

from fineprune.errors import ModelError
from fineprune.untrusted.network_files import load_model

pytestmark = pytest.mark.slow

HEIGHT, WIDTH, CHANNELS = SHAPE
FIRST, LAST = "channels_first", "channels_last"
Stack = Callable[[str, int], list[layers.Layer]]


def flattened(form: str, axis: int) -> list[layers.Layer]:
    """Strides and padding that differ between height and width, and a flattening in the order of the channels."""
    return [
        layers.Rescaling(2.0, -1.0),
        layers.Conv2D(4, (3, 2), strides=(2, 1), padding="same", data_format=form, use_bias=False),
        layers.BatchNormalization(axis=axis),
        layers.LeakyReLU(0.2),
        layers.ZeroPadding2D(((1, 0), (0, 2)), data_format=form),
        layers.SeparableConv2D(6, (2, 3), data_format=form),
        layers.SpatialDropout2D(0.5, data_format=form),
        layers.MaxPooling2D((2, 1), data_format=form),
        layers.Flatten(),
        layers.BatchNormalization(),
        layers.Dense(5, activation="softmax"),
    ]


def flattened_anew(form: str, axis: int) -> list[layers.Layer]:
    """A flattening that puts channels last itself."""
    return [
        layers.Conv2DTranspose(4, 2, data_format=form, activation="relu"),
        layers.AveragePooling2D(data_format=form),
        layers.Flatten(data_format=form),
        layers.Dense(5),
    ]


def normalised(form: str, axis: int) -> list[layers.Layer]:
    return [
        layers.DepthwiseConv2D(3, depth_multiplier=2, data_format=form),
        layers.GroupNormalization(3, axis=axis),
        layers.Cropping2D(((1, 2), (0, 1)), data_format=form),
        layers.LayerNormalization(axis=axis),
        layers.UpSampling2D((1, 2), data_format=form),
        layers.Softmax(axis=axis),
        layers.GlobalMaxPooling2D(data_format=form),
        layers.Flatten(),
        layers.Dense(5),
    ]


def built(stack: Stack, form: str) -> keras.Model:
    axis, shape = (1, (CHANNELS, HEIGHT, WIDTH)) if form == FIRST else (3, SHAPE)
    x = image = layers.Input(shape)
    for layer in stack(form, axis):
        x = layer(x)
    return keras.Model(image, x)


def joined(form: str) -> keras.Model:
    """Two branches, one of whose channels are weighted, and a sum with a flattening on both sides of it."""
    axis, shape = (1, (CHANNELS, HEIGHT, WIDTH)) if form == FIRST else (3, SHAPE)
    image = layers.Input(shape)
    x = layers.Conv2D(3, 3, padding="same", data_format=form)(image)
    weights = layers.GlobalAveragePooling2D(keepdims=True, data_format=form)(x)
    x = layers.Concatenate(axis=axis)([layers.Add()([x, image]), layers.Multiply()([x, weights])])
    flat = layers.Flatten(name="flat")
    return keras.Model(image, layers.Dense(5)(layers.Add()([flat(x), flat(layers.ReLU()(x))])))


def in_channels_order(kernel: np.ndarray, rows: tuple[int, ...]) -> np.ndarray:
    """The rows of a dense kernel, (height × width × channels, units), in the order channels × height × width."""
    return np.moveaxis(kernel.reshape(*rows, -1), 2, 0).reshape(kernel.shape)


def twin(first: keras.Model, last: keras.Model) -> keras.Model:
    """`first` with the weights of `last`, those behind a flattening in the order of `first`."""
    flat = next(layer for layer in first.layers if isinstance(layer, layers.Flatten))
    rows = tuple(last.layers[first.layers.index(flat)].get_input_at(0).shape[1:])
    weights = last.get_weights()
    if flat.data_format == LAST and len(rows) == 3:
        behind = np.prod(rows)
        weights = [
            in_channels_order(each if each.ndim > 1 else each[:, None], rows).reshape(each.shape)
            if len(each) == behind
            else each
            for each in weights
        ]
    first.set_weights(weights)
    return first


def scores(model: keras.Model) -> np.ndarray:
    values: np.ndarray = model.predict(pictures(9, SHAPE).astype(np.float32) / 255, verbose=0)
    return values


def sequential(form: str) -> keras.Model:
    shape = (CHANNELS, HEIGHT, WIDTH) if form == FIRST else SHAPE
    stack = [layers.Conv2D(4, 3, data_format=form, input_shape=shape), layers.MaxPooling2D(data_format=form)]
    return keras.Sequential([*stack, layers.Flatten(), layers.Dense(5)])


NETWORKS: dict[str, Callable[[str], keras.Model]] = {
    "flattened": lambda form: built(flattened, form),
    "flattened anew": lambda form: built(flattened_anew, form),
    "normalised": lambda form: built(normalised, form),
    "joined": joined,
    "sequential": sequential,
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_the_scores_are_those_of_the_network_with_channels_last(name: str, suffix: str, tmp_path: Path) -> None:
    last = seeded(NETWORKS[name](LAST))
    path = tmp_path / f"net.{suffix}"
    first = twin(NETWORKS[name](FIRST), last)
    saved(first, path) if suffix == "h5" else first.save(path)
    loaded = load_model(path)
    assert loaded.input_shape == (None, *SHAPE)
    assert scores(loaded) == pytest.approx(scores(last), rel=1e-4, abs=1e-5)


def test_what_its_values_mean_does_depend_on_the_order() -> None:
    last = seeded(NETWORKS["flattened"](LAST))
    turned = twin(NETWORKS["flattened"](FIRST), last).get_weights()
    assert not np.allclose(turned[-2], last.get_weights()[-2])


def test_layers_of_sequences_do_not_turn_images(tmp_path: Path) -> None:
    image = layers.Input(SHAPE)
    maps = layers.Conv2D(4, 3)(image)
    rows = layers.GlobalAveragePooling1D(data_format=FIRST)(layers.Reshape((-1, 4))(maps))
    model = seeded(keras.Model(image, layers.Dense(5)(rows)))
    assert scores(load_model(saved(model, tmp_path / "net.h5"))) == pytest.approx(scores(model), rel=1e-4, abs=1e-5)


def test_one_that_does_not_say_which_images_it_takes_is_refused(tmp_path: Path) -> None:
    alone = keras.Sequential([layers.Conv2D(4, 3, data_format=FIRST), layers.Flatten(), layers.Dense(5)])
    (tmp_path / "net.json").write_text(alone.to_json())
    sequential(LAST).save_weights(tmp_path / "net.h5")
    with pytest.raises(ModelError, match=r"^expected a network from images .*, got no shape to no shape: give one"):
        load_model(tmp_path / "net.json")


@pytest.mark.parametrize(
    ("kind", "layer"),
    [
        ("PReLU", lambda: layers.PReLU()),
        ("Dense", lambda: layers.Dense(4)),
        ("Reshape", lambda: layers.Reshape((4, 2, 40))),
        ("BatchNormalization", lambda: layers.BatchNormalization(axis=[1, 2])),
        ("MaxPooling2D", lambda: layers.MaxPooling2D(data_format=LAST)),
        ("Rescaling", lambda: layers.Rescaling([0.1] * 8)),
        ("Activation", lambda: layers.Activation("softmax")),
        ("Conv2D", lambda: layers.Conv2D(3, 1, data_format=FIRST, activation="softmax")),
        ("DepthwiseConv2D", lambda: layers.DepthwiseConv2D(1, data_format=FIRST, activation="log_softmax")),
        ("Sequential", lambda: keras.Sequential([layers.ReLU()])),
    ],
)
def test_a_layer_that_cannot_be_turned_is_named(kind: str, layer: Callable[[], Any], tmp_path: Path) -> None:
    def stack(form: str, axis: int) -> list[layers.Layer]:
        return [layers.Conv2D(4, 3, data_format=form), layer(), layers.Flatten(), layers.Dense(5)]

    with pytest.raises(ModelError) as error:
        load_model(saved(built(stack, FIRST), tmp_path / "net.h5"))
    said = str(error.value)
    assert said.startswith(f"expected a network whose channels come first in {tmp_path / 'net.h5'} to be of layers ")
    assert f"of type {kind}: build it with data_format='channels_last'" in said
