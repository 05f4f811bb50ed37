"""Networks on disk: read without running anything that the file holds, written so that no half file is ever seen."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from fineprune import configs, limits
from fineprune.errors import ModelError, line
from fineprune.files import written_aside
from fineprune.hdf5 import blocks, check_is_file, check_state, damage_told, dataset, member, open_hdf5, read, state
from fineprune.vetting import vet

if TYPE_CHECKING:
    import tf_keras as keras


def load_model(path: str | Path) -> keras.Model:
    """The network in the HDF5 file `path`, as Keras 2 or tf_keras saved it whole.

    Raises ModelError where the file is none, names a layer that could carry code, asks for more than `limits` says, or
    does not fit together.
    """
    with opened(path, "a network") as file:
        if not has_architecture(file):
            raise ModelError(
                f"expected a whole network in {path}, got a file without architecture: "
                "give it as badnet.weights, or save the network with model.save('NAME.h5')"
            )
        from fineprune import building

        weights = member(file, "model_weights", ModelError)
        # Read twice, for a building uses the architecture up.
        list(_fitting(building.sketch(_architecture(file, path), path), weights))
        model = building.build(_architecture(file, path), path)
        _assign(model, weights)
    return model


def load_weights(model: keras.Model, path: str | Path) -> None:
    """Set the weights of `model` to those of the HDF5 file `path`, layer by layer, by name."""
    with opened(path, "weights") as file:
        _assign(model, weights_group(file))


@contextmanager
def opened(path: str | Path, what: str) -> Iterator[h5py.File]:
    """The HDF5 file `path`, which has been read as a whole before, in a process of its own."""
    check_is_file(path, ModelError, what)
    before = state(path)
    vet("network", path, ModelError, what)
    with open_hdf5(path, ModelError, what) as file:
        yield file
    check_state(path, before, ModelError)


def facts(path: str, what: str) -> dict[str, str]:
    """Read it all: the architecture, and the weights that stand where Keras puts them. Nothing is left to tell."""
    with open_hdf5(path, ModelError, what) as file:
        if has_architecture(file):
            _architecture(file, path)
        group = weights_group(file)
        with damage_told(path, ModelError):
            layers = [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]
        for layer in layers:
            holder = member(group, layer, ModelError)
            if isinstance(holder, h5py.Group) and _has(holder, "weight_names"):
                for stored in _weights_of(group, layer):
                    _check_finite(stored, layer)
    return {}


def weights_group(file: h5py.File) -> h5py.Group:
    """Where the layers' weights stand: a weights file holds them at its root, a whole network's one level down."""
    with damage_told(file.filename, ModelError):
        inside = "model_weights" in file
    found = member(file, "model_weights", ModelError) if inside else file
    if not isinstance(found, h5py.Group):
        raise ModelError(f"expected 'model_weights' in {file.filename} to be a group, got data: save the network again")
    return found


def has_architecture(file: h5py.File) -> bool:
    """Whether the file holds a whole network, not weights alone."""
    return _has(file, "model_config")


def classes_of(file: h5py.File) -> int:
    """The number of classes that a weights file is for: the last axis of its layer `output`'s kernel."""
    shapes = [stored.shape for stored in _weights_of(weights_group(file), "output")]
    match shapes:
        case [(_, int(classes)), *_] if classes <= limits.CLASSES:
            return int(classes)
    raise ModelError(
        f"expected layer 'output' in {file.filename} to have a kernel of up to {limits.CLASSES:,} classes, got "
        f"{shapes[:9]}: are these the weights of another architecture?"
    )


def save_model(model: keras.Model, path: Path) -> None:
    """Save `model` whole, as HDF5 that plain tf_keras loads."""
    with written_aside(path) as aside, warnings.catch_warnings():
        # Keras recommends its zip format over HDF5, which is the one that the field exchanges.
        warnings.filterwarnings("ignore", "You are saving your model as an HDF5 file")
        model.save(aside, save_format="h5", include_optimizer=False)


def _architecture(file: h5py.File, path: str | Path) -> dict[str, Any]:
    return configs.parse(_attribute(file, "model_config"), path)


def _has(holder: h5py.Group, name: str) -> bool:
    with damage_told(holder.file.filename, ModelError):
        return name in holder.attrs


def _attribute(holder: h5py.Group, name: str) -> Any:
    path = holder.file.filename
    with damage_told(path, ModelError):
        stored = holder.attrs.get_id(name)
        if (size := math.prod(stored.shape or ()) * stored.dtype.itemsize) > limits.CONFIG_BYTES:
            raise ModelError(
                f"expected '{name}' in {path} to take at most {limits.CONFIG_BYTES:,} bytes, got {size:,}: not loaded"
            )
        return holder.attrs[name]


def _fitting(model: keras.Model, group: h5py.Group) -> Iterator[tuple[Any, list[h5py.Dataset]]]:
    """Each layer of `model` with its stored weights; raises ModelError where they have other shapes than its own."""
    where = group.file.filename
    for layer in model.layers:
        variables = _variables(layer)
        stored = _weights_of(group, layer.name) if variables else []
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
            variable.assign(read(array, slice(None), ModelError))


def _check_finite(stored: h5py.Dataset, layer: str) -> None:
    for rows in blocks(stored, 2**20):
        if not np.isfinite(read(stored, rows, ModelError)).all():
            raise ModelError(
                f"expected finite weights in {stored.file.filename}, got NaN or infinity in layer '{line(layer)}': "
                "train it again, or get another copy"
            )


def _weights_of(group: h5py.Group, layer: str) -> list[h5py.Dataset]:
    holder, where = member(group, layer, ModelError), f"layer '{line(layer)}' in {group.file.filename}"
    if not isinstance(holder, h5py.Group) or not _has(holder, "weight_names"):
        raise ModelError(f"expected the names of the weights of {where}, got none: save the network again")
    found = []
    for name in np.ravel(_attribute(holder, "weight_names")):
        found.append(
            dataset(holder, name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name), ModelError)
        )
    if (count := sum(math.prod(array.shape) for array in found)) > limits.PARAMETERS:
        raise ModelError(f"expected at most {limits.PARAMETERS:,} parameters of {where}, got {count:,}: not loaded")
    return found
