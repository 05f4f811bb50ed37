"""Networks on disk: read without running anything that the file holds, written so that no half file is ever seen."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from fineprune.errors import ModelError
from fineprune.files import written_aside
from fineprune.hdf5 import dataset, member, open_hdf5, read

if TYPE_CHECKING:
    import tf_keras as keras

CONTAINERS = {"Functional", "Model", "Sequential"}
LAYERS = """
    InputLayer Conv1D Conv2D DepthwiseConv2D SeparableConv2D Dense BatchNormalization LayerNormalization
    Activation ReLU LeakyReLU PReLU ELU ThresholdedReLU Softmax
    MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalAveragePooling1D GlobalAveragePooling2D
    Flatten Reshape Permute Dropout SpatialDropout2D GaussianNoise GaussianDropout AlphaDropout ActivityRegularization
    ZeroPadding2D Cropping2D UpSampling2D Rescaling Add Subtract Multiply Average Maximum Minimum Concatenate
""".split()
PARTS = """
    Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal VarianceScaling Orthogonal Identity
    GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform
    L1 L2 L1L2 MaxNorm MinMaxNorm NonNeg UnitNorm Policy
""".split()
SAFE = CONTAINERS.union(LAYERS, PARTS)


def load_model(path: str | Path) -> keras.Model:
    """The network in the HDF5 file `path`, as Keras 2 or tf_keras saved it whole.

    Raises ModelError where the file is none, where it names a layer that could carry code, or does not fit together.
    """
    with open_hdf5(path, ModelError, "a network") as file:
        if not has_architecture(file):
            raise ModelError(
                f"expected a whole network in {path}, got a file without architecture: "
                "give it as badnet.weights, or save the network with model.save('NAME.h5')"
            )
        model = _build(file.attrs["model_config"], path)
        _assign(model, member(file, "model_weights", ModelError))
    return model


def load_weights(model: keras.Model, path: str | Path) -> None:
    """Set the weights of `model` to those of the HDF5 file `path`, layer by layer, by name."""
    with open_hdf5(path, ModelError, "weights") as file:
        _assign(model, weights_group(file))


def weights_group(file: h5py.File) -> h5py.Group:
    """Where the layers' weights stand: a weights file holds them at its root, a whole network's one level down."""
    return member(file, "model_weights", ModelError) if "model_weights" in file else file


def has_architecture(file: h5py.File) -> bool:
    """Whether the file holds a whole network, not weights alone."""
    return "model_config" in file.attrs


def classes_of(file: h5py.File) -> int:
    """The number of classes that a weights file is for: the last axis of its layer `output`'s kernel."""
    return int(_stored_weights(weights_group(file), "output")[0].shape[-1])


def save_model(model: keras.Model, path: Path) -> None:
    """Save `model` whole, as HDF5 that plain tf_keras loads."""
    with written_aside(path) as aside, warnings.catch_warnings():
        # Keras recommends its zip format over HDF5, which is the one that the field exchanges.
        warnings.filterwarnings("ignore", "You are saving your model as an HDF5 file")
        model.save(aside, save_format="h5", include_optimizer=False)


def _build(config: str | bytes, path: str | Path) -> keras.Model:
    import tf_keras as keras

    try:
        parsed = json.loads(config)
    except (ValueError, TypeError, RecursionError) as reason:
        raise ModelError(f"expected the architecture in {path} to be JSON, got: {_line(reason)}") from reason
    if unsafe := sorted(_classes(parsed) - SAFE):
        raise ModelError(
            f"expected only Keras's own layers that carry no code in {path}, got {unsafe[0]!r}: not loaded, "
            "since building it could run what a stranger wrote"
        )
    try:
        model = keras.models.model_from_json(json.dumps(parsed))
    except Exception as reason:  # Keras raises almost any type over a wrong config
        raise ModelError(f"expected an architecture that Keras 2 can build in {path}, got: {_line(reason)}") from reason
    return _with_images_in_and_classes_out(model, path)


def _classes(config: Any) -> set[str]:
    """Every class and module that a Keras config names, at any depth."""
    if isinstance(config, list):
        return set().union(*map(_classes, config))
    if not isinstance(config, dict):
        return set()
    named = {str(config["class_name"])} if "class_name" in config else set()
    if config.get("registered_name"):
        named.add(str(config["registered_name"]))
    module = str(config.get("module") or "keras")
    if module.split(".")[0] not in ("keras", "tf_keras"):
        named.add(module)
    return named.union(*map(_classes, config.values()))


def _with_images_in_and_classes_out(model: keras.Model, path: str | Path) -> keras.Model:
    import tf_keras as keras

    shapes = [[tuple(tensor.shape) for tensor in tensors or []] for tensors in (model.inputs, model.outputs)]
    match shapes:
        case [[(_, int(), int(), int())], [(_, int())]]:
            return keras.Model(model.inputs, model.outputs, name=model.name)
    raise ModelError(
        f"expected a network from images (n, height, width, channels) to classes (n, classes) in {path}, "
        f"got {shapes[0] or 'no shape'} to {shapes[1] or 'no shape'}"
    )


def _assign(model: keras.Model, group: h5py.Group) -> None:
    where = group.file.filename
    for layer in model.layers:
        variables = layer.trainable_weights + layer.non_trainable_weights
        stored = _stored_weights(group, layer.name) if variables else []
        expected = [tuple(variable.shape) for variable in variables]
        if [array.shape for array in stored] != expected:
            raise ModelError(
                f"expected weights of shapes {expected} for layer '{layer.name}' in {where}, "
                f"got {[array.shape for array in stored]}: is it another architecture, or another number of classes?"
            )
        for variable, array in zip(variables, stored, strict=True):
            values = read(array, slice(None), ModelError)
            if not np.isfinite(values).all():
                raise ModelError(f"expected finite weights in {where}, got NaN or infinity in layer '{layer.name}'")
            variable.assign(values)


def _stored_weights(group: h5py.Group, layer: str) -> list[h5py.Dataset]:
    holder = member(group, layer, ModelError)
    if "weight_names" not in holder.attrs:
        raise ModelError(f"expected the names of the weights of layer '{layer}' in {group.file.filename}, got none")
    found = []
    for name in holder.attrs["weight_names"]:
        found.append(dataset(holder, name.decode() if isinstance(name, bytes) else str(name), ModelError))
    return found


def _line(reason: BaseException) -> str:
    return " ".join(str(reason).split())[:300]
