"""A network in an HDF5 file: its architecture, and the weights of its layers. For the process that reads it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from fineprune.errors import ModelError
from fineprune.untrusted import keras_config, stored_weights
from fineprune.untrusted.equivalents import PREFIX
from fineprune.untrusted.hdf5 import attribute, has, member, open_hdf5, report_damage
from fineprune.untrusted.saved import tree

if TYPE_CHECKING:
    from fineprune.untrusted.vetting import Handover


def read(path: str, what: str, handover: Handover) -> None:
    """Check the whole file, and hand over each layer's weights by its name, and the architecture, where it has one.

    Raises ModelError where something cannot be read.
    """
    with open_hdf5(path, ModelError, what) as file:
        whole = has(file, "model_config", ModelError)
        if whole:
            text = attribute(file, "model_config", ModelError)
            hand_over_architecture(
                text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text, path, handover
            )
        elif tree.is_tree(file):
            tree.read(file, handover)
            return
        # A whole network's weights are one level down, also where its architecture is missing.
        with report_damage(path, ModelError):
            inside = whole or "model_weights" in file
        group = member(file, "model_weights", ModelError) if inside else file
        if not isinstance(group, h5py.Group):
            raise ModelError(f"expected 'model_weights' in {path} to be a group, got data: save the network again")
        for layer in sorted({name.removeprefix(PREFIX) for name in stored_weights.layers(group)}):
            for weight in stored_weights.weights_of(group, layer):
                handover.add(layer, weight.stored.dtype, weight.stored.shape, weight.finite(layer))


def hand_over_architecture(text: bytes, path: str, handover: Handover) -> None:
    """Hand over an architecture in JSON; raises ModelError where it is not safe, or no network's."""
    keras_config.parse(text, path)  # here first, since a short text can take much memory
    architecture = np.frombuffer(text, np.uint8)
    handover.add(keras_config.ARCHITECTURE, architecture.dtype, architecture.shape, [architecture])
