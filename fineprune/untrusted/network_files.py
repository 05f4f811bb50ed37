"""Networks on disk, read without running anything that the file holds."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fineprune.errors import ModelError, line, plain
from fineprune.untrusted import keras_config, limits
from fineprune.untrusted.formats import JSON, KERAS_ARCHIVE, PYTORCH, SAVED_MODEL, UNSUPPORTED, format_of
from fineprune.untrusted.keras_config import Shape
from fineprune.untrusted.pytorch.state_dict import StateDict
from fineprune.untrusted.saved import places as layer_places
from fineprune.untrusted.saved import two_nets
from fineprune.untrusted.saved.places import DATA, METADATA
from fineprune.untrusted.saved.variables import by_layer
from fineprune.untrusted.vetting import VettedArray, check_is_file, vet

if TYPE_CHECKING:
    import tf_keras as keras


READERS = {KERAS_ARCHIVE: "keras archive", JSON: "json", SAVED_MODEL: "saved model", None: "network"}


def load_model(
    path: str | Path,
    weights: str | Path | None = None,
    output: str | None = None,
    shape: Shape | None = None,
) -> keras.Model:
    """The network in the file `path`: HDF5 or an archive of Keras's, or an architecture in JSON.

    `weights` are of another file, and replace its own, or those beside it; `output` names one of several outputs. Where
    it takes images of any size, it becomes one for images of `shape`.
    Raises ModelError where a file holds no network, names a layer that could carry code, asks for more than `limits`
    says, or does not fit together.
    """
    file = NetworkFile(path, "a network")
    return file.model(None if weights is None else opened(weights, "weights", file.places), output, shape)


def load_weights(model: keras.Model, path: str | Path) -> None:
    """Set the weights of `model` to those of the file `path`, layer by layer."""
    opened(path, "weights").assign(model)


def opened(path: str | Path, what: str, places: Mapping[str, str] | None = None) -> NetworkFile | StateDict:
    """What is in the file `path`, which messages call `what`: of Keras's, or a state dict of PyTorch's.

    Where it stores weights by their layers' places, `places` are those of the network that they are for.
    """
    return StateDict(path, what) if format_of(path) in PYTORCH else NetworkFile(path, what, places)


def beside(path: str | Path) -> Path | None:
    """The weights that lie beside an architecture in JSON under its name; None where there are none."""
    return next(filter(Path.is_file, _besides(path)), None) if format_of(path) == JSON else None


def _besides(path: str | Path) -> list[Path]:
    name = "model" if (place := Path(path)).name == "config.json" else place.stem  # the first of an unpacked archive
    return [place.with_name(f"{name}.weights.h5"), place.with_name(f"{name}.h5")]


class NetworkFile:
    """What a process of its own read from the file `path` of Keras's, which messages call `what`, and checked.

    `places` are those of the layers of its architecture or, where it has none, of the one that is given.
    """

    def __init__(self, path: str | Path, what: str, places: Mapping[str, str] | None = None) -> None:
        self._format = format_of(path)
        _check_format(path, what, self._format)
        file = Path(path) / DATA if self._format == SAVED_MODEL else path
        arrays = vet(READERS[self._format], file, ModelError, what)
        self._path, self._architecture = path, arrays.pop(keras_config.ARCHITECTURE, None)
        self._is_tree = self._format in (KERAS_ARCHIVE, SAVED_MODEL) or any(name.startswith("/") for name in arrays)
        self._weights = arrays if self._is_tree else {keras_config.safe_name(name): arrays[name] for name in arrays}
        self._by_name = None if self._is_tree else self._weights
        self._places = places

    @property
    def places(self) -> Mapping[str, str] | None:
        """Where weights of each layer stand in files that store them by place; None where that is not known."""
        if self._architecture is None:
            return self._places
        keras_config.parse(self._text, self._path)  # which bounds what is read here
        try:
            return layer_places.places(json.loads(self._text))
        except (AttributeError, TypeError) as reason:
            raise ModelError(
                f"expected an architecture that Keras 2 can build in {self._path}, got layers that are described "
                "otherwise: save it with Keras 2 anew"
            ) from reason

    @property
    def is_whole(self) -> bool:
        """Whether it holds a whole network, not weights alone."""
        return self._architecture is not None

    @property
    def classes(self) -> int:
        """The number of classes that weights are for: the last axis of the kernel of the layer `output`.

        Where layers have no names, that is the last dense one.
        """
        dense = [place for place in self._weights if re.fullmatch(r"/layers/dense(_\d+)?", place)]
        last = max(dense, key=lambda place: (len(place), place), default="output")
        stored = self._weights[last] if dense else self._weights_of(last)
        shapes = [array.shape for array in stored]
        match shapes:
            case [(_, int(classes)), *_] if classes <= limits.CLASSES:
                return int(classes)
        raise ModelError(
            f"expected layer '{line(last)}' in {self._path} to have a kernel of up to {limits.CLASSES:,} classes, got "
            f"{shapes[:9]}: are these the weights of another architecture?"
        )

    def model(
        self,
        weights: NetworkFile | StateDict | None = None,
        output: str | None = None,
        shape: Shape | None = None,
    ) -> keras.Model:
        """The network, with its own weights or others, for images of `shape` where the file says of no size.

        Raises ModelError unless the file holds one whole network.
        """
        model = self._built(weights, output, shape)
        two_nets.check_one(model, self._path)
        return model

    def nets(self, shape: Shape | None = None) -> list[keras.Model]:
        """The network, for images of `shape` as above, or, of a GoodNet that fineprune saved, its two."""
        from fineprune.untrusted import keras_build

        return [keras_build.classifier(net, self._path) for net in two_nets.apart(self._built(None, None, shape))]

    def _built(self, weights: NetworkFile | StateDict | None, output: str | None, shape: Shape | None) -> keras.Model:
        if self._architecture is None:
            raise ModelError(
                f"expected a whole network in {self._path}, got a file without architecture: "
                "give it as badnet.weights, or save the network with model.save('NAME.h5')"
            )
        if output is not None and self._format == SAVED_MODEL:
            raise ModelError(
                f"expected no badnet.output for the SavedModel {self._path}, whose variables are counted over all "
                f"outputs, got {output!r}: save the network by model.save('NAME.keras')"
            )
        if weights is None and self._format == JSON:
            weights = opened(self._beside(), "weights", self.places)
        from fineprune.untrusted import keras_build

        # Parsed anew each time, since building a model uses up the architecture.
        sketch = keras_build.sketch(keras_config.parse(self._text, self._path, 1, shape), self._path, output)
        if weights is None:
            self._check_fits(sketch)
        model = keras_build.build(keras_config.parse(self._text, self._path, None, shape), self._path, output)
        (weights or self).assign(model)
        return model

    def _beside(self) -> Path:
        """Where the weights of an architecture in JSON lie; raises ModelError unless that is beside it."""
        if file := beside(self._path):
            print(plain(f"weights of {self._path}: {file}, which lies beside it"), file=sys.stderr)
            return file
        names = " or ".join(place.name for place in _besides(self._path))
        raise ModelError(
            f"expected weights in {self._path}, got an architecture alone: put them beside it as {line(names)}, or "
            "give them as badnet.weights=FILE"
        )

    @property
    def _text(self) -> bytes:
        return b"" if self._architecture is None else self._architecture[0].read().tobytes()

    def assign(self, model: keras.Model) -> None:
        """Set the weights of `model`; raises ModelError where the file holds others."""
        self._check_fits(model)
        for name, variables in self._layers(model):
            for variable, array in zip(variables, self._weights_of(name), strict=True):
                variable.assign(array.read().astype(variable.dtype.as_numpy_dtype))
        for layer in model._flatten_layers():
            layer.finalize_state()  # a normalisation computes by what it makes of its weights here

    def _check_fits(self, model: keras.Model) -> None:
        """Raise ModelError where the weights of a layer have other shapes than its own."""
        if self._is_tree and self._by_name is None:
            self._by_name = self._named(model)
        for name, variables in self._layers(model):
            expected = [tuple(variable.shape) for variable in variables]
            shapes = [array.shape for array in self._weights_of(name)]
            if shapes != expected:
                raise ModelError(
                    f"expected weights of shapes {expected} for layer '{line(name)}' in {self._path}, "
                    f"got {shapes}: is it another architecture, or another number of classes?"
                )

    def _named(self, model: keras.Model) -> dict[str, list[VettedArray]]:
        """The weights by the names of the layers of `model`, rather than by where they stand."""
        places = self.places or layer_places.places(json.loads(model.to_json()))
        if self._format == SAVED_MODEL:
            return by_layer(self._weights, places, model)
        return {name: self._weights[place] for name, place in places.items() if place in self._weights}

    def _layers(self, model: keras.Model, inside: str = "") -> Iterator[tuple[str, list[Any]]]:
        """The layers that have weights, by name, and their variables: networks inside are one, but in a tree."""
        for layer in model.layers:
            if self._is_tree and hasattr(layer, "layers"):
                yield from self._layers(layer, f"{inside}{layer.name}/")
            elif variables := [*layer.trainable_weights, *layer.non_trainable_weights]:
                yield f"{inside}{layer.name}", variables

    def _weights_of(self, layer: str) -> list[VettedArray]:
        weights = self._by_name or {}
        if layer not in weights:
            within = "/layers" if self._is_tree else "/model_weights" if self.is_whole else "/"
            names = ", ".join(sorted(self._weights)[:9])
            shared = "of a layer that two networks share, which only model.save('NAME.h5') keeps"
            what = shared if self._is_tree else "a file of another kind"
            raise ModelError(
                f"expected '{line(layer)}' in {self._path}, {within}, got {line(names) or 'nothing'}: is it {what}?"
            )
        return weights[layer]


def _check_format(path: str | Path, what: str, kind: str | None) -> None:
    """Raise ModelError, with what to do, where the file `path` is of a `kind` that holds no network to be read."""
    if kind == SAVED_MODEL and not (Path(path) / METADATA).exists():
        raise ModelError(
            f"expected {what} at {path} that says of which layers it is, got a SavedModel's graph, which is not run: "
            "save it by model.save('NAME.keras') in the program that has the Keras network"
        )
    if (Path(path) / "model.weights.h5").exists():
        raise ModelError(
            f"expected {what} at {path} to be a file, got the folder of an archive: give its config.json, "
            "beside which its weights are found"
        )
    if kind != SAVED_MODEL:
        check_is_file(path, ModelError, what)
    if kind is None and (other := UNSUPPORTED.get(Path(path).suffix.lower())):
        if other == "Caffe":
            raise ModelError(
                f"expected {what} at {path} of Keras's or PyTorch's, got a file of Caffe, which is not supported: "
                "write its arrays as safetensors, and give them as badnet.weights, with their architecture"
            )
        raise ModelError(
            f"expected {what} at {path} of Keras's or PyTorch's, got a file of {other}, which is not supported: build "
            "the network in one of these, and save it there"
        )
    if kind in PYTORCH:
        raise ModelError(
            f"expected {what} at {path} to be a file of Keras's, got one of PyTorch's: give it as badnet.weights, with "
            "its architecture"
        )
