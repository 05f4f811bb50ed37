"""Trigger-activated change (Zheng et al., "Data-free Backdoor Removal based on Channel Lipschitzness", ECCV 2022).

TAC(c) = mean over images x of ‖f_c(x with the trigger) − f_c(x)‖, of the map f_c of channel c.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fineprune.attacks.poisoning import PoisonedSplit
from fineprune.data.split import Split
from fineprune.errors import ConfigError
from fineprune.network.network import Network
from fineprune.network.step import Array
from fineprune.strategy import POISONED, ChannelStrategy


class TriggerActivatedChange(ChannelStrategy):
    """An oracle: prunes first the channels of `layers` that the trigger changes most; of several triggers, any.

    It sees the poisoned images that the sweep is measured on, and the same images without the trigger: no ranking
    of these layers by activation can be expected to do better.
    """

    needs = POISONED
    trials = ({}, {"layers": "all", "chunk": 3, "normalise": "l2"})

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        planted = [split for split in oracle["poisoned"].values() if isinstance(split, PoisonedSplit)]
        if not planted:
            raise ConfigError(
                f"expected poisoned images with their originals, got files without, {', '.join(oracle['poisoned'])}: "
                "plant the attack here, by badnet=trained"
            )
        changes = {
            layer: [_change(network, layer, split) for split in planted] for layer in network.layers(self.layers)
        }
        return {layer: -np.max(change, axis=0) for layer, change in changes.items()}


def _change(network: Network, layer: str, split: PoisonedSplit) -> Array:
    """The mean change of each channel of what the unit of `layer` emits, (channels,)."""
    end = network.unit(layer).end
    pairs = zip(network.maps(end, split), network.maps(end, split.originals), strict=True)
    squares = [((stamped - plain) ** 2).sum(axis=tuple(range(1, plain.ndim - 1))) for stamped, plain in pairs]
    change: Array = np.sqrt(np.concatenate(squares)).mean(axis=0)
    return change
