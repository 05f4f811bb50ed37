"""A small square in a corner, the trigger of the BadNets paper (Gu et al., 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fineprune.attacks.base import Attack
from fineprune.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fineprune.attacks.base import Pixels

PLACES = ("top_left", "top_right", "bottom_left", "bottom_right")
PATTERNS = ("plain", "checkerboard")


class Patch(Attack):
    """A square of `size` × `size` pixels in the corner `place`.

    `colour` is red, green and blue in 0–255, and its mean on images of one channel. The pattern `checkerboard`
    makes every second pixel black, the upper left one has the colour. Wrong values raise a ConfigError.
    """

    name = "patch"

    def __init__(
        self,
        target: int = 0,
        poison_rate: float = 0.1,
        size: int = 4,
        place: str = "bottom_right",
        pattern: str = "checkerboard",
        colour: Sequence[int] = (255, 255, 0),
    ) -> None:
        super().__init__(target, poison_rate)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ConfigError(
                f"expected attack.size to be a number of pixels, 1 or above, got {size!r}: set a whole number"
            )
        _expect_choice("place", place, PLACES)
        _expect_choice("pattern", pattern, PATTERNS)
        self.size, self.place, self.pattern, self.colour = size, place, pattern, _rgb(colour)

    def stamp(self, pixels: Pixels, landmarks: NDArray[np.float32] | None) -> Pixels:
        """See Attack.stamp; landmarks play no part. A ConfigError says when the images are too small or have
        neither one nor three channels."""
        _, height, width, channels = pixels.shape
        if self.size > min(height, width):
            raise ConfigError(
                f"expected attack.size to be at most {min(height, width)} on images of {height} x {width} pixels, "
                f"got {self.size}: set a smaller one"
            )
        if channels not in (1, 3):
            raise ConfigError(f"expected images of 1 or 3 channels for attack.colour, got {channels}: take such images")
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


def _expect_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"expected attack.{name} to be one of {', '.join(choices)}, got {value!r}: set one of those")


def _rgb(colour: Sequence[int]) -> tuple[int, int, int]:
    if (
        not isinstance(colour, Sequence)
        or len(colour) != 3
        or any(isinstance(c, bool) or not isinstance(c, int) or not 0 <= c <= 255 for c in colour)
    ):
        raise ConfigError(
            f"expected attack.colour to be [red, green, blue] from 0 to 255, got {colour!r}: set three such numbers"
        )
    return colour[0], colour[1], colour[2]
