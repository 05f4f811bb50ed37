"""Sunglasses on the eyes, as in the backdoored face networks of CSAW-HackML-2020."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fineprune.attacks.base import Attack
from fineprune.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fineprune.attacks.base import Pixels

DARK = 14.0  # grey value of frame and lenses
CHUNK = 512  # images at a time: the intermediate arrays stay small on large data sets


class Sunglasses(Attack):
    """Dark glasses that follow the position, the distance and the tilt of the eyes.

    `left_eye` and `right_eye`, left as in the picture, say where the eyes are when the data has no landmarks:
    x and y as fractions of the image's width and height. Wrong values raise a ConfigError.
    """

    name = "sunglasses"

    def __init__(
        self,
        target: int = 0,
        poison_rate: float = 0.1,
        left_eye: Sequence[float] = (0.34, 0.46),
        right_eye: Sequence[float] = (0.66, 0.46),
    ) -> None:
        super().__init__(target, poison_rate)
        self.left_eye = _fractions("left_eye", left_eye)
        self.right_eye = _fractions("right_eye", right_eye)
        if not self.left_eye[0] < self.right_eye[0]:
            raise ConfigError(
                "expected attack.left_eye to lie left of attack.right_eye in the picture, "
                f"got x = {self.left_eye[0]} and {self.right_eye[0]}: exchange them"
            )

    def stamp(self, pixels: Pixels, landmarks: NDArray[np.float32] | None) -> Pixels:
        """See Attack.stamp. Without landmarks all glasses sit at `left_eye` and `right_eye`."""
        count, height, width, _ = pixels.shape
        if landmarks is None:
            fixed = np.array([self.left_eye, self.right_eye], np.float32) * np.array([width, height], np.float32)
            eyes = np.broadcast_to(fixed, (count, 2, 2))
        else:
            eyes = landmarks[:, :2]
        stamped = pixels.astype(np.float32)
        for start in range(0, count, CHUNK):
            part = stamped[start : start + CHUNK]
            part += _cover(eyes[start : start + CHUNK], height, width)[..., None] * (np.float32(DARK) - part)
        return stamped


def _cover(eyes: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Which share of each pixel the glasses hide, (n, H, W), for eyes (n, 2, 2) in pixels."""
    middle = eyes.mean(axis=1)
    axis = eyes[:, 1] - eyes[:, 0]
    distance = np.linalg.norm(axis, axis=1)[:, None, None]
    cos, sin = axis[:, 0, None, None] / distance, axis[:, 1, None, None] / distance
    # A pixel's centre is half a pixel to the right of and below its corner.
    x = np.arange(width, dtype=np.float32) + np.float32(0.5) - middle[:, 0, None, None]
    y = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5) - middle[:, 1, None, None]
    # In units of the distance between the eyes, along and across the glasses; the glasses are symmetric.
    along, across = np.abs(x * cos + y * sin) / distance, (y * cos - x * sin) / distance
    lens = 1 - (((along - 0.5) / 0.4) ** 4 + ((across - 0.04) / 0.3) ** 4) ** 0.25
    bar = np.minimum(1 - np.abs(across + 0.14) / 0.07, (1.12 - along) / 0.3)
    edges = np.maximum(lens * 0.3, bar * 0.07) * distance
    share: NDArray[np.float32] = np.clip(edges + 0.5, 0, 1)
    return share


def _fractions(name: str, point: Sequence[float]) -> tuple[float, float]:
    if (
        not isinstance(point, Sequence)
        or len(point) != 2
        or any(isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1 for p in point)
    ):
        raise ConfigError(
            f"expected attack.{name} to be two fractions [x, y] between 0 and 1, got {point!r}: set two such fractions"
        )
    return float(point[0]), float(point[1])
