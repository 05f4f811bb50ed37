"""Steps written by what they keep of each layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.network.step import Factors, Mask, Replace, Silence, Step

Arrays = Mapping[str, NDArray[Any]]


def keeping(keep: Arrays, weights: Mapping[str, Sequence[NDArray[Any]]] | None = None) -> Step:
    """Of each layer a mask of its channels, (channels,), or of its kernel; and, where given, new weights."""
    replaced = [Replace(layer, arrays) for layer, arrays in (weights or {}).items()]
    masks = {layer: np.asarray(mask) for layer, mask in keep.items()}
    return Step([*replaced, *((Silence if m.ndim == 1 else Mask)(layer, m) for layer, m in masks.items())])


def kept(step: Step) -> dict[str, NDArray[Any]]:
    """The masks of a step, by layer."""
    return {edit.layer: edit.factors for edit in step.edits if isinstance(edit, Factors)}
