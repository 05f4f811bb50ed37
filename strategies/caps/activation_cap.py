"""Caps on activations at their mean plus k standard deviations: what clipping does where nothing is learnt.

cap(c) = max(0, mean + k · std) of channel c over clean images, rows and columns; k falls from step to step. UNIT starts
from such bounds, at k = 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fineprune.checks import Layers, Positive
from fineprune.data.split import Split
from fineprune.network.network import Network
from fineprune.network.step import Cap, Step
from fineprune.strategy import Strategy


class ActivationCap(Strategy):
    """Caps the activations of `layers`, with k from `highest` down to 0 in steps of `step`.

    `layers="auto"` is the last activation before the last pooling, `"all"` every one but the classifier's.
    """

    trials = ({"step": 2.0}, {"layers": "auto", "step": 3.0})

    layers: Layers = "all"
    highest: Positive = 8.0
    step: Positive = 0.25

    def steps(self, network: Network, clean: Split, **oracle: Any) -> Iterator[Step]:
        ends = {layer: network.unit(layer).end for layer in network.activated(self.layers)}
        moments = network.moments(list(ends.values()), clean)
        falling = self.highest - self.step * np.arange(np.ceil(self.highest / self.step - 1e-9))
        for k in [*map(float, falling), 0.0]:
            caps = {end: np.maximum(mean + k * std, 0) for end, (mean, std) in moments.items()}
            yield Step([Cap(layer, caps[end].astype(np.float32)) for layer, end in ends.items()], k, "k")
