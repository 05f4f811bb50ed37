"""A white frame around the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fineprune.attacks.base import PoisonRate, Target, Trigger
from fineprune.checks import Count, checked

if TYPE_CHECKING:
    from fineprune.attacks.base import Pixels


class MyAttack(Trigger):
    """A white frame of `width` pixels."""

    name = "my_attack"

    @checked("attack")
    def __init__(
        self, target: Target = 0, poison_rate: PoisonRate = 0.1, pruning_aware: bool = False, width: Count = 2
    ) -> None:
        super().__init__(target, poison_rate, pruning_aware)
        self.width = width

    def stamp(self, pixels: Pixels, landmarks: Pixels | None) -> Pixels:
        stamped = pixels.copy()
        for edge in (slice(self.width), slice(-self.width, None)):
            stamped[:, edge] = 255
            stamped[:, :, edge] = 255
        return stamped
