"""The weights of a network's layers in an HDF5 file, by the layers' names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fineprune.errors import ModelError, line
from fineprune.untrusted import limits
from fineprune.untrusted.equivalents import OWN, PREFIX
from fineprune.untrusted.hdf5 import blocks, dataset, member, read, report_damage


@dataclass(frozen=True)
class StoredWeight:
    """A weight, and the mask that it is multiplied by where it was being made sparse."""

    stored: h5py.Dataset
    mask: h5py.Dataset | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.stored.shape)

    def read(self) -> NDArray[Any]:
        """Its values; raises ModelError where the file is damaged there."""
        values = read(self.stored, slice(None), ModelError)
        return values if self.mask is None else values * read(self.mask, slice(None), ModelError)


def weights_of(group: h5py.Group, layer: str) -> list[StoredWeight]:
    """The weights of a layer, in Keras's order; raises ModelError where they are not there, or are too large."""
    with report_damage(group.file.filename, ModelError):
        wrapped = layer not in group and f"{PREFIX}{layer}" in group
    paths = _paths(group, f"{PREFIX}{layer}" if wrapped else layer)
    masks = [(path, stored) for path, stored in paths if _own(path) == "mask"]
    paths = [(path, stored) for path, stored in paths if not _own(path)]
    masked: dict[int, h5py.Dataset] = {}
    for path, mask in masks:
        name = path.split("/")[-2].removeprefix(PREFIX)
        # Where a layer has two kernels, tfmot makes the second sparse.
        fitting = [
            place
            for place, (other, stored) in enumerate(paths)
            if name in other.split("/") and stored.shape == mask.shape
        ]
        if not fitting:
            raise ModelError(
                f"expected the mask of '{line(name)}' in {group.file.filename} to have the shape of its kernel, "
                f"got {mask.shape}: save the network again"
            )
        masked[fitting[-1]] = mask
    return [StoredWeight(stored, masked.get(place)) for place, (_, stored) in enumerate(paths)]


def _own(path: str) -> str | None:
    """Which of the weights that a wrapper adds is stored at `path`; None for those of its layer."""
    *_, scope, name = ["", *path.split("/")]
    name = name.split(":")[0]
    return name if scope.startswith(PREFIX) and name in OWN else None


def check_finite(group: h5py.Group, layer: str) -> None:
    """Raise ModelError where a weight that is stored for `layer` is not finite."""
    holder = member(group, layer, ModelError)
    if not isinstance(holder, h5py.Group) or not has(holder, "weight_names"):
        return
    for _, stored in _paths(group, layer):
        for rows in blocks(stored, 2**20):
            if not np.isfinite(read(stored, rows, ModelError)).all():
                raise ModelError(
                    f"expected finite weights in {stored.file.filename}, got NaN or infinity in layer '{line(layer)}': "
                    "train it again, or get another copy"
                )


def _paths(group: h5py.Group, layer: str) -> list[tuple[str, h5py.Dataset]]:
    """All that is stored for a layer, by its path in the layer's group."""
    holder, where = member(group, layer, ModelError), f"layer '{line(layer)}' in {group.file.filename}"
    if not isinstance(holder, h5py.Group) or not has(holder, "weight_names"):
        raise ModelError(f"expected the names of the weights of {where}, got none: save the network again")
    names = [
        name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        for name in np.ravel(attribute(holder, "weight_names"))
    ]
    paths = [(name, dataset(holder, name, ModelError)) for name in names]
    if (count := sum(math.prod(stored.shape) for _, stored in paths)) > limits.PARAMETERS:
        raise ModelError(f"expected at most {limits.PARAMETERS:,} parameters of {where}, got {count:,}: not loaded")
    return paths


def has(holder: h5py.Group, name: str) -> bool:
    """Whether there is an attribute of that name."""
    with report_damage(holder.file.filename, ModelError):
        return name in holder.attrs


def attribute(holder: h5py.Group, name: str) -> Any:
    """An attribute; raises ModelError where it is too large, or the file is damaged there."""
    path = holder.file.filename
    with report_damage(path, ModelError):
        stored = holder.attrs.get_id(name)
        if (size := math.prod(stored.shape or ()) * stored.dtype.itemsize) > limits.CONFIG_BYTES:
            raise ModelError(
                f"expected '{name}' in {path} to take at most {limits.CONFIG_BYTES:,} bytes, got {size:,}: not loaded"
            )
        return holder.attrs[name]
