"""Networks on disk, read without running anything that the file holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fineprune.errors import ModelError, line
from fineprune.untrusted import keras_config, limits, two_nets
from fineprune.untrusted.pytorch.formats import format_of
from fineprune.untrusted.pytorch.state_dict import StateDict
from fineprune.untrusted.vetting import VettedArray, check_is_file, vet

if TYPE_CHECKING:
    import tf_keras as keras


def load_model(path: str | Path) -> keras.Model:
    """The network in the HDF5 file `path`, as Keras 2 or tf_keras saved it whole.

    Raises ModelError where the file holds no network, names a layer that could carry code, asks for more than `limits`
    says, or does not fit together.
    """
    return NetworkFile(path, "a network").model()


def load_weights(model: keras.Model, path: str | Path) -> None:
    """Set the weights of `model` to those of the file `path`, layer by layer, by name."""
    opened(path, "weights").assign(model)


def opened(path: str | Path, what: str) -> NetworkFile | StateDict:
    """What is in the file `path`, which messages call `what`: of Keras's in HDF5, or a state dict of PyTorch's."""
    return StateDict(path, what) if Path(path).is_file() and format_of(path) else NetworkFile(path, what)


class NetworkFile:
    """What a process of its own read from the HDF5 file `path`, which messages call `what`, and checked."""

    def __init__(self, path: str | Path, what: str) -> None:
        _check_format(path, what)
        arrays = vet("network", path, ModelError, what)
        self._path, self._architecture = path, arrays.pop(keras_config.ARCHITECTURE, None)
        self._weights = {keras_config.safe_name(layer): stored for layer, stored in arrays.items()}

    @property
    def is_whole(self) -> bool:
        """Whether it holds a whole network, not weights alone."""
        return self._architecture is not None

    @property
    def classes(self) -> int:
        """The number of classes that weights are for: the last axis of the kernel of the layer `output`."""
        shapes = [array.shape for array in self._weights_of("output")]
        match shapes:
            case [(_, int(classes)), *_] if classes <= limits.CLASSES:
                return int(classes)
        raise ModelError(
            f"expected layer 'output' in {self._path} to have a kernel of up to {limits.CLASSES:,} classes, got "
            f"{shapes[:9]}: are these the weights of another architecture?"
        )

    def model(self) -> keras.Model:
        """The network; raises ModelError unless the file holds a whole one, and no GoodNet."""
        model = self._built()
        two_nets.check_one(model, self._path)
        return model

    def nets(self) -> list[keras.Model]:
        """The network or, of a GoodNet that fineprune saved, its BadNet and its pruned net."""
        from fineprune.untrusted import keras_build

        return [keras_build.classifier(net, self._path) for net in two_nets.apart(self._built())]

    def _built(self) -> keras.Model:
        if self._architecture is None:
            raise ModelError(
                f"expected a whole network in {self._path}, got a file without architecture: "
                "give it as badnet.weights, or save the network with model.save('NAME.h5')"
            )
        from fineprune.untrusted import keras_build

        text = self._architecture[0].read().tobytes()
        # Parsed anew each time, since building a model uses up the architecture.
        self._check_fits(keras_build.sketch(keras_config.parse(text, self._path, batch=1), self._path))
        model = keras_build.build(keras_config.parse(text, self._path), self._path)
        self.assign(model)
        return model

    def assign(self, model: keras.Model) -> None:
        """Set the weights of `model`; raises ModelError where the file holds others."""
        self._check_fits(model)
        for layer in model.layers:
            if variables := _variables(layer):
                for variable, array in zip(variables, self._weights_of(layer.name), strict=True):
                    variable.assign(array.read().astype(variable.dtype.as_numpy_dtype))
        for layer in model._flatten_layers():
            layer.finalize_state()  # a normalisation computes by what it makes of its weights here

    def _check_fits(self, model: keras.Model) -> None:
        """Raise ModelError where the weights of a layer have other shapes than its own."""
        for layer in model.layers:
            expected = [tuple(variable.shape) for variable in _variables(layer)]
            shapes = [array.shape for array in self._weights_of(layer.name)] if expected else []
            if shapes != expected:
                raise ModelError(
                    f"expected weights of shapes {expected} for layer '{line(layer.name)}' in {self._path}, "
                    f"got {shapes}: is it another architecture, or another number of classes?"
                )

    def _weights_of(self, layer: str) -> list[VettedArray]:
        if layer not in self._weights:
            place, names = "/model_weights" if self.is_whole else "/", ", ".join(sorted(self._weights)[:9])
            raise ModelError(
                f"expected '{line(layer)}' in {self._path}, {place}, got {line(names) or 'nothing'}"
                ": is it a file of another kind?"
            )
        return self._weights[layer]


def _check_format(path: str | Path, what: str) -> None:
    """Raise ModelError, with what to do, where Keras wrote the file `path` in one of its other formats."""
    if (Path(path) / "saved_model.pb").exists():
        raise ModelError(
            f"expected {what} at {path} to be an HDF5 file, got the folder of a SavedModel: "
            "load it with the Keras that wrote it, and save it by model.save('NAME.h5')"
        )
    check_is_file(path, ModelError, what)
    if format_of(path):
        raise ModelError(
            f"expected {what} at {path} to be an HDF5 file, got an archive, as Keras 3 writes '.keras', or a file of "
            "PyTorch's: save it by model.save('NAME.h5') in the Keras that wrote it, or give it as badnet.weights with "
            "its architecture"
        )


def _variables(layer: Any) -> list[Any]:
    return [*layer.trainable_weights, *layer.non_trainable_weights]
