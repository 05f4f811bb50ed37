"""Weights in HDF5 as Keras 3, and tf_keras where it writes archives, store them: at each layer's place in the tree.

For the process that reads a stranger's file alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import h5py

from fineprune.errors import ModelError, line
from fineprune.untrusted import limits
from fineprune.untrusted.hdf5 import dataset, report_damage
from fineprune.untrusted.saved.places import LAYERS, OLDER, WRAPPED
from fineprune.untrusted.stored_weights import StoredWeight

if TYPE_CHECKING:
    from fineprune.untrusted.vetting import Handover

VARIABLES = "vars"
MASK = 1  # what tfmot's wrapper stores besides its layer: the kernel once more, then its mask


def is_tree(file: h5py.Group) -> bool:
    """Whether weights stand in `file` so."""
    with report_damage(file.file.filename, ModelError):
        return "layer_names" not in file.attrs and (LAYERS in file or OLDER in file)


def read(file: h5py.Group, handover: Handover) -> None:
    """Hand over each layer's weights under its place; raises ModelError where they cannot be read."""
    for place, group in _groups(file):
        key = place.replace("\\", "/").replace(OLDER, LAYERS)
        for weight in _weights(group, key):
            handover.add(key, weight.stored.dtype, weight.stored.shape, weight.finite(key))


def _groups(file: h5py.Group) -> Iterator[tuple[str, h5py.Group]]:
    """Every group of a layer, and its place; what stands beside them, as an optimiser's state, is left alone."""
    with report_damage(file.file.filename, ModelError):
        waiting, seen = [(f"/{name}", file, name) for name in (LAYERS, OLDER) if name in file], set()
        while waiting:
            place, holder, name = waiting.pop()
            if not isinstance(holder.get(name, getlink=True), h5py.HardLink):
                continue
            group = holder[name]
            if isinstance(group, h5py.Group) and group.id not in seen:
                seen.add(group.id)
                yield place, group
                waiting += [(f"{place}/{inside}", group, inside) for inside in group if inside != VARIABLES]


def _weights(group: h5py.Group, place: str) -> list[StoredWeight]:
    """What a layer stores itself, multiplied by its mask where it was being made sparse."""
    stored = _variables(group, place)
    wrapper = group.parent if place.endswith(f"/{WRAPPED}") else None
    masks = _variables(wrapper, place)[MASK : MASK + 1] if wrapper is not None else []
    masks = [mask for mask in masks if mask.shape]  # of a layer without a kernel it stores a counter alone
    fitting = [number for number, weight in enumerate(stored) if masks and weight.shape == masks[0].shape]
    return [
        # Where a layer has two kernels, tfmot makes the second sparse.
        StoredWeight(weight, masks[0] if number in fitting[-1:] else None)
        for number, weight in enumerate(stored)
    ]


def _variables(group: h5py.Group, place: str) -> list[h5py.Dataset]:
    with report_damage(group.file.filename, ModelError):
        link = group.get(VARIABLES, getlink=True) if VARIABLES in group else None
        holder = group[VARIABLES] if isinstance(link, h5py.HardLink) else {}
        count = len(holder) if isinstance(holder, h5py.Group) else 0
    stored = [dataset(group, f"{VARIABLES}/{number}", ModelError) for number in range(count)]
    if (size := sum(math.prod(each.shape) for each in stored)) > limits.PARAMETERS:
        raise ModelError(
            f"expected at most {limits.PARAMETERS:,} parameters of {line(place)} in {group.file.filename}, got "
            f"{size:,}: not loaded"
        )
    return stored
