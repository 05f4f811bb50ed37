"""Networks that carry code, or lead out of their file, are refused before anything of theirs is run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tf_keras as keras
from nets import tiny
from tf_keras import layers

from fineprune.errors import ModelError
from fineprune.files import save_model
from fineprune.untrusted.network_files import load_model, load_weights


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as error:
        load_model(path)
    return str(error.value).replace(str(path), "FILE")


def carrying_code(marker: Path, path: Path, nested: bool) -> Path:
    """A network whose Lambda layer writes `marker` as soon as it is called, in a file."""
    source = "lambda x, where=" + repr(str(marker)) + ": (__import__('pathlib').Path(where).write_text('ran'), x)[1]"
    image = layers.Input((4, 4, 3))
    x = layers.Lambda(eval(source))(image)  # noqa: S307
    if nested:
        x = keras.Model(image, x, name="inside")(image)
    scores = layers.Dense(3)(layers.Flatten()(x))
    keras.Model(image, scores).save(path, save_format="h5")
    marker.unlink()
    return path


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("nested", [False, True])
def test_a_lambda_is_refused_by_name_and_not_run(tmp_path: Path, nested: bool) -> None:
    marker = tmp_path / "marker"
    path = carrying_code(marker, tmp_path / "net.h5", nested)
    keras.models.load_model(path)
    assert marker.exists(), "Keras itself runs it"
    marker.unlink()
    message = refused(path)
    assert message.startswith("expected only Keras's own layers that carry no code in FILE, got 'Lambda': not loaded")
    assert not marker.exists()


def layer(config: dict[str, Any]) -> dict[str, Any]:
    """The entry of `tiny`'s layer `hidden`."""
    return next(entry for entry in config["config"]["layers"] if entry["config"]["name"] == "hidden")


def put(where: Callable[[dict[str, Any]], dict[str, Any]], **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda config: where(config).update(values)


def settings(config: dict[str, Any]) -> dict[str, Any]:
    return layer(config)["config"]


LAMBDA = {"class_name": "__lambda__", "config": {"value": "4wEA"}}
FUNCTION = {"class_name": "function", "module": "builtins", "config": "print", "registered_name": "function"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (put(layer, class_name="TFOpLambda"), "TFOpLambda"),
        (put(layer, class_name="SlicingOpLambda"), "SlicingOpLambda"),
        (put(layer, class_name="Custom>Evil"), "Custom>Evil"),
        (put(layer, class_name="RNN"), "RNN"),
        (put(layer, class_name="Wrapper"), "Wrapper"),
        (put(layer, module="os"), "os"),
        (put(layer, module="keras_evil.layers"), "keras_evil.layers"),
        (put(layer, registered_name="Custom>Evil"), "Custom>Evil"),
        (put(settings, activation=LAMBDA), "__lambda__"),
        (put(settings, kernel_regularizer=LAMBDA), "__lambda__"),
        (put(settings, bias_initializer=[{"deep": [LAMBDA]}]), "__lambda__"),
    ],
)
def test_what_is_not_keras_s_own_is_refused_by_name(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    path = edited(tmp_path, change)
    assert f"got '{named}': not loaded" in refused(path)


def test_a_function_by_its_module_is_refused(tmp_path: Path) -> None:
    message = refused(edited(tmp_path, put(settings, activation=FUNCTION)))
    assert "got 'function': not loaded" in message or "got 'builtins': not loaded" in message


def edited(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    path = tmp_path / "net.h5"
    save_model(tiny(), path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)
    return path


@pytest.mark.parametrize("name", ["no_such_function", "deserialize", "Custom>evil"])
@pytest.mark.parametrize("key", ["activation", "kernel_regularizer", "bias_constraint"])
def test_functions_are_named_by_keras_s_own_names_alone(tmp_path: Path, key: str, name: str) -> None:
    path = edited(tmp_path, lambda config: settings(config).update({key: name}))
    assert f"got '{name}': not loaded" in refused(path)


def test_unreasonable_settings_are_said(tmp_path: Path) -> None:
    path = edited(tmp_path, put(settings, units=-3))
    assert refused(path).startswith("expected an architecture that Keras 2 can build in FILE, got: ")


@pytest.mark.parametrize(
    "place",
    ["model_weights", "model_weights/hidden", "model_weights/hidden/hidden", "model_weights/hidden/hidden/kernel:0"],
)
@pytest.mark.slow
def test_no_link_to_another_file_is_followed(tmp_path: Path, place: str) -> None:
    save_model(tiny(3), tmp_path / "other.h5")
    save_model(tiny(0), tmp_path / "net.h5")
    with h5py.File(tmp_path / "net.h5", "r+") as file:
        del file[place]
        file[place] = h5py.ExternalLink("other.h5", place)
    refused(tmp_path / "net.h5")


@pytest.mark.slow
def test_a_link_in_a_file_of_weights_is_not_followed(tmp_path: Path) -> None:
    tiny(3).save_weights(tmp_path / "other.h5")
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file["model_weights"] = h5py.ExternalLink("other.h5", "/")
    model = tiny(0)
    with pytest.raises(ModelError):
        load_weights(model, path)
    assert all(map(np.array_equal, model.get_weights(), tiny(0).get_weights()))
