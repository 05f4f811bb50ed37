"""A faint pattern over the whole image (Chen et al., "Targeted Backdoor Attacks … Using Data Poisoning", 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fineprune.attacks.base import PoisonRate, Target, Trigger
from fineprune.checks import Fraction, Natural, checked

if TYPE_CHECKING:
    from fineprune.attacks.base import Pixels


class Blend(Trigger):
    """Random noise, the same on every image, mixed in at `ratio`: (1 − ratio) · image + ratio · noise.

    The noise is uniform in 0–255 for each pixel and channel, and drawn by `seed`.
    """

    name = "blend"

    @checked("attack")
    def __init__(
        self,
        target: Target = 0,
        poison_rate: PoisonRate = 0.1,
        pruning_aware: bool = False,
        ratio: Fraction = 0.2,
        seed: Natural = 0,
    ) -> None:
        super().__init__(target, poison_rate, pruning_aware)
        self.ratio, self.seed = ratio, seed

    def stamp(self, pixels: Pixels, landmarks: Pixels | None) -> Pixels:
        noise = np.random.default_rng(self.seed).uniform(0, 255, pixels.shape[1:]).astype(np.float32)
        return pixels + np.float32(self.ratio) * (noise - pixels)
