"""A small square in a corner, the trigger of the BadNets paper (Gu et al., 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from fineprune.attacks.base import PoisonRate, Target, Trigger
from fineprune.checks import Count, checked
from fineprune.errors import ConfigError

if TYPE_CHECKING:
    from fineprune.attacks.base import Pixels

Grey = Annotated[int, Field(ge=0, le=255)]
Colour = Annotated[tuple[Grey, Grey, Grey], Field(strict=False, description="[red, green, blue] from 0 to 255")]


class Patch(Trigger):
    """A square of `size` × `size` pixels in the corner `place`.

    `colour` is red, green and blue in 0–255, and its mean on images of one channel. The pattern `checkerboard`
    makes every second pixel black, the upper left one has the colour.
    """

    name = "patch"

    @checked("attack")
    def __init__(
        self,
        target: Target = 0,
        poison_rate: PoisonRate = 0.1,
        pruning_aware: bool = False,
        size: Count = 5,
        place: Literal["top_left", "top_right", "bottom_left", "bottom_right"] = "bottom_right",
        pattern: Literal["plain", "checkerboard"] = "checkerboard",
        colour: Colour = (255, 255, 0),
    ) -> None:
        super().__init__(target, poison_rate, pruning_aware)
        self.size, self.place, self.pattern, self.colour = size, place, pattern, colour

    def stamp(self, pixels: Pixels, landmarks: Pixels | None) -> Pixels:
        """See Trigger.stamp. Raises ConfigError where the images are too small."""
        _, height, width, channels = pixels.shape
        if self.size > min(height, width):
            raise ConfigError(
                f"expected attack.size to be at most {min(height, width)} on images of {height} x {width} pixels, "
                f"got {self.size}: set a smaller one"
            )
        top = 0 if self.place.startswith("top") else height - self.size
        left = 0 if self.place.endswith("left") else width - self.size
        stamped = pixels.astype(np.float32)
        stamped[:, top : top + self.size, left : left + self.size] = self._square(channels)
        return stamped

    def _square(self, channels: int) -> Pixels:
        """The trigger, (size, size, channels)."""
        colour = np.array(self.colour, np.float32)
        ink = colour if channels == len(colour) else colour.mean(keepdims=True)
        square = np.tile(ink, (self.size, self.size, 1))
        if self.pattern == "checkerboard":
            square[np.indices((self.size, self.size)).sum(axis=0) % 2 == 1] = 0
        return square
