"""A state dict of PyTorch's as weights of a Keras network whose layers have the names of its modules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from fineprune.errors import ModelError, line, some
from fineprune.untrusted import limits
from fineprune.untrusted.vetting import vet

if TYPE_CHECKING:
    import tf_keras as keras
    from numpy.typing import NDArray

# What PyTorch calls the weights of a layer.
SUFFIXES = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
WRAPPERS = ("module.", "_orig_mod.", "model.", "net.")  # of DataParallel, torch.compile, and who holds a network
COUNTER = "num_batches_tracked"  # of a normalisation: how many batches it was trained on
# From the axes of PyTorch's kernels, (outputs, inputs, height, width), to those of Keras's, and back.
TO_KERAS = {"depthwise_kernel": (2, 3, 0, 1), "kernel": (2, 3, 1, 0)}
TO_PYTORCH = {"depthwise_kernel": (2, 3, 0, 1), "kernel": (3, 2, 0, 1)}


class StateDict:
    """What a process of its own read from the file `path`, which messages call `what`, and checked."""

    is_whole = False

    def __init__(self, path: str | Path, what: str) -> None:
        arrays = vet("pytorch", path, ModelError, what)
        self._path = path
        self._tensors = {name: stored[0] for name, stored in arrays.items() if name.rpartition(".")[2] != COUNTER}
        self._last = next((name for name in reversed(self._tensors) if len(self._tensors[name].shape) == 2), None)
        self._by_layer = self._of_layers(0)

    @property
    def classes(self) -> int:
        """The number of classes: the outputs of the last linear layer."""
        if self._last is None or not 0 < (classes := self._tensors[self._last].shape[0]) <= limits.CLASSES:
            raise ModelError(
                f"expected a linear layer of up to {limits.CLASSES:,} classes at the end of {self._path}, got "
                f"{line(some(self._tensors, 5))}: is it a classifier?"
            )
        return classes

    def model(self, shape: object = None) -> NoReturn:
        """Raise ModelError: a network cannot be told from its tensors."""
        raise ModelError(
            f"expected a whole network in {self._path}, got a state dict of PyTorch's: give it as badnet.weights, and "
            "set architecture"
        )

    def assign(self, model: keras.Model) -> None:
        """Set the weights of `model`; raises ModelError, which names the first tensor that differs, unless all fit."""
        expected = [(layer, variable) for layer in model.layers for variable in layer.weights]
        last = next((layer for layer in reversed(model.layers) if type(layer).__name__ == "Dense"), None)
        for layer in model.layers:
            self._check_is_pytorchs(layer)
        if self._by_layer.keys().isdisjoint(_bare(layer.name) for layer, _ in expected if layer is not last):
            self._by_layer = self._of_layers(_wrapped(list(self._tensors)))
        names = [
            self._name(layer, "output" if layer is last else _bare(layer.name), variable, model.name)
            for layer, variable in expected
        ]
        if more := [name for name in self._tensors if name not in set(names)]:
            raise ModelError(
                f"expected only tensors that {line(model.name)} has in {self._path}, got '{line(more[0])}': "
                f"set another architecture{self._or_names}"
            )
        for (layer, variable), name in zip(expected, names, strict=True):
            stored = self._tensors[name].read().astype(np.float32)
            variable.assign(_to_keras(stored, _kind(variable), _flattened(layer)))
        for layer in model._flatten_layers():
            layer.finalize_state()  # a normalisation computes by what it makes of its weights here

    def _of_layers(self, wrapped: int) -> dict[str, dict[str, str]]:
        """The tensor of each kind of each layer, of whose names the first `wrapped` characters are left out.

        Layers are called by letters and digits alone.
        """
        layers: dict[str, dict[str, str]] = {}
        for name in self._tensors:
            module, _, suffix = name.rpartition(".")
            is_last = self._last is not None and module == self._last.rpartition(".")[0]
            bare = _bare(module[wrapped:].replace("downsample", "shortcut"))  # torchvision calls it so
            layers.setdefault("output" if is_last else bare, {})[suffix] = name
        return layers

    def _check_is_pytorchs(self, layer: Any) -> None:
        """Raise ModelError where `layer` computes what no layer of PyTorch's does."""
        if (kind := type(layer).__name__).startswith("Separable"):
            raise ModelError(
                f"expected layers that PyTorch has for {self._path}, got '{line(layer.name)}' of type {kind}: make it "
                "a depthwise convolution and one of size 1"
            )
        if "Conv2D" in kind and layer.padding == "same" and "Transpose" not in kind:
            sides = zip(layer.input_shape[1:3], layer.kernel_size, layer.strides, strict=True)
            if any(size and max((-(-size // step) - 1) * step + width - size, 0) % 2 for size, width, step in sides):
                raise ModelError(
                    f"expected convolutions that pad both sides alike, as PyTorch's do, for {self._path}, got "
                    f"'{line(layer.name)}', which pads one side more: set another architecture"
                )

    def _name(self, layer: Any, module: str, variable: Any, architecture: str) -> str:
        """The tensor for a `variable` of `layer`, in the file's `module`.

        Raises ModelError where it is missing, or has another shape.
        """
        suffix, shape = SUFFIXES.get(_kind(variable), _kind(variable)), _pytorch_shape(variable)
        name = self._by_layer.get(module, {}).get(suffix)
        got = None if name is None else self._tensors[name].shape
        if got != shape or name is None:
            raise ModelError(
                f"expected '{line(name or f'{layer.name}.{suffix}')}' of shape {shape} for {line(architecture)} in "
                f"{self._path}, got {'none' if got is None else got}: set another architecture{self._or_names}"
            )
        return name

    @property
    def _or_names(self) -> str:
        """What else to do where names are not the architecture's, if all of them begin alike."""
        first = {name.partition(".")[0] for name in self._tensors if name.count(".") > 1} or {""}
        held = first.pop()
        if first or not all(name.startswith(f"{held}.") for name in self._tensors):
            return ""
        return f", or save it with names that lack '{line(held)}.', as which all begin"


def _wrapped(names: list[str]) -> int:
    """How many characters all of `names` begin with that name no module of the network, but what it was held by."""
    for wrapper in WRAPPERS:
        if names and all(name.startswith(wrapper) for name in names):
            return len(wrapper) + _wrapped([name.removeprefix(wrapper) for name in names])
    return 0


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _kind(variable: Any) -> str:
    """What Keras calls a weight: `kernel`, `gamma` and so on."""
    return str(variable.name).split("/")[-1].split(":")[0]


def _pytorch_shape(variable: Any) -> tuple[int, ...]:
    shape = tuple(map(int, variable.shape))
    if len(shape) == 4:
        return tuple(shape[axis] for axis in TO_PYTORCH[_kind(variable)])
    return shape[::-1]


def _flattened(layer: Any) -> tuple[int, ...] | None:
    """The shape (…, channels) of which `layer` takes in the values as one row; None for other layers."""
    before = layer.inbound_nodes[0].inbound_layers
    while not isinstance(before, list) and type(before).__name__ not in ("Flatten", "Dense", "InputLayer"):
        if before.input_shape != before.output_shape:
            return None
        before = before.inbound_nodes[0].inbound_layers
    return tuple(before.input_shape[1:]) if type(before).__name__ == "Flatten" else None


def _to_keras(stored: NDArray[np.float32], kind: str, flattened: tuple[int, ...] | None) -> NDArray[np.float32]:
    """The same weights for Keras. PyTorch flattens channels first, Keras last."""
    if stored.ndim == 4:
        return stored.transpose(TO_KERAS[kind])
    if flattened is not None and kind != "bias":  # which is of what a layer emits
        *sizes, channels = flattened
        rows = stored.reshape(*stored.shape[:-1], channels, *sizes)
        stored = np.moveaxis(rows, stored.ndim - 1, -1).reshape(stored.shape)
    return stored.T
