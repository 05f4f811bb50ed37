"""Networks on disk, read without running anything that the file holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from fineprune.errors import ModelError, line
from fineprune.untrusted import keras_config, limits
from fineprune.untrusted.hdf5 import check_is_file, check_state, member, open_hdf5, report_damage, state
from fineprune.untrusted.stored_weights import StoredWeight, attribute, check_finite, has, weights_of
from fineprune.untrusted.vetting import vet

if TYPE_CHECKING:
    import tf_keras as keras


def load_model(path: str | Path) -> keras.Model:
    """The network in the HDF5 file `path`, as Keras 2 or tf_keras saved it whole.

    Raises ModelError where the file holds no network, names a layer that could carry code, asks for more than `limits`
    says, or does not fit together.
    """
    with open_vetted(path, "a network") as file:
        if not has_architecture(file):
            raise ModelError(
                f"expected a whole network in {path}, got a file without architecture: "
                "give it as badnet.weights, or save the network with model.save('NAME.h5')"
            )
        from fineprune.untrusted import keras_build

        weights = member(file, "model_weights", ModelError)
        # Parsed twice, since building a model uses up the architecture.
        list(_fitting(keras_build.sketch(_architecture(file, path, batch=1), path), weights))
        model = keras_build.build(_architecture(file, path), path)
        _assign(model, weights)
    return model


def load_weights(model: keras.Model, path: str | Path) -> None:
    """Set the weights of `model` to those of the HDF5 file `path`, layer by layer, by name."""
    with open_vetted(path, "weights") as file:
        _assign(model, weights_group(file))


@contextmanager
def open_vetted(path: str | Path, what: str) -> Iterator[h5py.File]:
    """The HDF5 file `path`, once a process of its own has read it whole."""
    _check_format(path, what)
    before = state(path)
    vet("network", path, ModelError, what)
    with open_hdf5(path, ModelError, what) as file:
        yield file
    check_state(path, before, ModelError)


def _check_format(path: str | Path, what: str) -> None:
    """Raise ModelError, with what to do, where Keras wrote the file `path` in one of its other formats."""
    if (Path(path) / "saved_model.pb").exists():
        raise ModelError(
            f"expected {what} at {path} to be an HDF5 file, got the folder of a SavedModel: "
            "load it with the Keras that wrote it, and save it by model.save('NAME.h5')"
        )
    check_is_file(path, ModelError, what)
    with Path(path).open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            raise ModelError(
                f"expected {what} at {path} to be an HDF5 file, got an archive, as Keras 3 writes '.keras': "
                "load it with the Keras that wrote it, and save it by model.save('NAME.h5')"
            )


def read_whole(path: str, what: str) -> dict[str, str]:
    """Read and check the whole file: the architecture, and the weights where Keras puts them. Returns nothing more."""
    with open_hdf5(path, ModelError, what) as file:
        if has_architecture(file):
            _architecture(file, path)
        group = weights_group(file)
        with report_damage(path, ModelError):
            layers = [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]
        for layer in layers:
            check_finite(group, layer)
    return {}


def weights_group(file: h5py.File) -> h5py.Group:
    """The group of the layers' weights: a weights file holds them at its root, a whole network's one level down."""
    with report_damage(file.filename, ModelError):
        inside = "model_weights" in file
    group = member(file, "model_weights", ModelError) if inside else file
    if not isinstance(group, h5py.Group):
        raise ModelError(f"expected 'model_weights' in {file.filename} to be a group, got data: save the network again")
    return group


def has_architecture(file: h5py.File) -> bool:
    """Whether the file holds a whole network, not weights alone."""
    return has(file, "model_config")


def classes_of(file: h5py.File) -> int:
    """The number of classes that a weights file is for: the last axis of its layer `output`'s kernel."""
    shapes = [stored.shape for stored in weights_of(weights_group(file), "output")]
    match shapes:
        case [(_, int(classes)), *_] if classes <= limits.CLASSES:
            return int(classes)
    raise ModelError(
        f"expected layer 'output' in {file.filename} to have a kernel of up to {limits.CLASSES:,} classes, got "
        f"{shapes[:9]}: are these the weights of another architecture?"
    )


def _architecture(file: h5py.File, path: str | Path, batch: int | None = None) -> dict[str, Any]:
    return keras_config.parse(attribute(file, "model_config"), path, batch)


def _fitting(model: keras.Model, group: h5py.Group) -> Iterator[tuple[Any, list[StoredWeight]]]:
    """Each layer of `model` with its stored weights; raises ModelError where they have other shapes than its own."""
    where = group.file.filename
    for layer in model.layers:
        variables = _variables(layer)
        stored = weights_of(group, layer.name) if variables else []
        expected = [tuple(variable.shape) for variable in variables]
        if [array.shape for array in stored] != expected:
            raise ModelError(
                f"expected weights of shapes {expected} for layer '{line(layer.name)}' in {where}, "
                f"got {[array.shape for array in stored]}: is it another architecture, or another number of classes?"
            )
        yield layer, stored


def _variables(layer: Any) -> list[Any]:
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _assign(model: keras.Model, group: h5py.Group) -> None:
    for layer, stored in _fitting(model, group):
        for variable, array in zip(_variables(layer), stored, strict=True):
            variable.assign(array.read())
    for layer in model._flatten_layers():
        layer.finalize_state()  # a normalisation computes by what it makes of its weights here
