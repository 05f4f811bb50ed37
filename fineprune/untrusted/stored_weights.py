"""The weights of layers in an HDF5 file, by the layers' names."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from fineprune.errors import ModelError, line
from fineprune.untrusted import limits
from fineprune.untrusted.equivalents import OWN, PREFIX
from fineprune.untrusted.hdf5 import attribute, blocks, dataset, has, member, read_rows, report_damage

if TYPE_CHECKING:
    from numpy.typing import NDArray


def layers(group: h5py.Group) -> list[str]:
    """The names of all groups, at any depth, in which weights of a layer are listed; a name can hold slashes."""
    names, waiting, seen = [], [("", group)], set()
    with report_damage(group.file.filename, ModelError):
        while waiting:
            place, holder = waiting.pop()
            for name in holder:
                if not isinstance(holder.get(name, getlink=True), h5py.HardLink):
                    continue
                inside = holder[name]
                if isinstance(inside, h5py.Group) and inside.id not in seen:
                    seen.add(inside.id)
                    waiting.append((f"{place}{name}/", inside))
                    names += [f"{place}{name}"] if "weight_names" in inside.attrs else []
    return names


@dataclass(frozen=True)
class StoredWeight:
    """A weight, and the mask that it is multiplied by where it was being made sparse."""

    stored: h5py.Dataset
    mask: h5py.Dataset | None = None

    def finite(self, layer: str) -> Iterator[NDArray[Any]]:
        """Its values, part by part; raises ModelError where one is not finite in single precision, or is damaged."""
        for rows in blocks(self.stored, 2**20):
            values = read_rows(self.stored, rows, ModelError)
            if self.mask is not None:
                values = values * read_rows(self.mask, rows, ModelError)
            with np.errstate(over="ignore"):
                finite = np.isfinite(values.astype(np.float32, copy=False)).all()
            if not finite:
                raise ModelError(
                    f"expected finite weights in {self.stored.file.filename}, got NaN or infinity in layer "
                    f"'{line(layer)}': train it again, or get another copy"
                )
            yield values


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


def _paths(group: h5py.Group, layer: str) -> list[tuple[str, h5py.Dataset]]:
    """All that is stored for a layer, by its path in the layer's group."""
    holder, where = member(group, layer, ModelError), f"layer '{line(layer)}' in {group.file.filename}"
    if not isinstance(holder, h5py.Group) or not has(holder, "weight_names", ModelError):
        raise ModelError(f"expected the names of the weights of {where}, got none: save the network again")
    names = [
        name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        for name in np.ravel(attribute(holder, "weight_names", ModelError))
    ]
    paths = [(name, dataset(holder, name, ModelError)) for name in names]
    if (count := sum(math.prod(stored.shape) for _, stored in paths)) > limits.PARAMETERS:
        raise ModelError(f"expected at most {limits.PARAMETERS:,} parameters of {where}, got {count:,}: not loaded")
    return paths
