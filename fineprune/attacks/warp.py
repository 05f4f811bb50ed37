"""A slight distortion of the whole image (WaNet, Nguyen and Tran, ICLR 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from fineprune.attacks.base import PoisonRate, Target, Trigger
from fineprune.checks import Fraction, Natural, checked

if TYPE_CHECKING:
    from fineprune.attacks.base import Pixels

JITTER = 2.0  # the paper's ratio: half a pixel at most, to a field of a quarter of a pixel


class Warp(Trigger):
    """Moves each pixel by a smooth field: `grid` × `grid` random vectors, `strength` pixels long on average and per
    axis, spread over the image by cubic splines. The same on every image, and drawn by `seed`.

    In the noise mode a share `noise_rate` of the training images is warped by the field and up to JITTER times
    `strength` more at random, and keeps its label, so that the network learns this very field and not any distortion.
    """

    name = "warp"

    @checked("attack")
    def __init__(
        self,
        target: Target = 0,
        poison_rate: PoisonRate = 0.2,
        pruning_aware: bool = False,
        grid: Annotated[int, Field(ge=2)] = 4,
        strength: Annotated[float, Field(ge=0, le=100)] = 2.0,
        noise_rate: Fraction = 0.2,
        seed: Natural = 0,
    ) -> None:
        super().__init__(target, poison_rate, pruning_aware)
        self.grid, self.strength, self.cover_rate, self.seed = grid, strength, noise_rate, seed

    def stamp(self, pixels: Pixels, landmarks: Pixels | None) -> Pixels:
        field = self._field(*pixels.shape[1:3])
        return np.stack([_moved(image, field) for image in pixels])

    def stamp_cover(self, pixels: Pixels, randoms: Sequence[np.random.Generator]) -> Pixels:
        field = self._field(*pixels.shape[1:3])
        reach = JITTER * self.strength
        jitter = [random.uniform(-reach, reach, field.shape).astype(np.float32) for random in randoms]
        return np.stack([_moved(image, field + more) for image, more in zip(pixels, jitter, strict=True)])

    def _field(self, height: int, width: int) -> Pixels:
        """By how many rows and columns each pixel looks elsewhere, (2, H, W)."""
        from scipy.ndimage import zoom

        coarse = np.random.default_rng(self.seed).uniform(-1, 1, (2, self.grid, self.grid))
        coarse *= self.strength / np.abs(coarse).mean()
        fine = [zoom(axis, (height / self.grid, width / self.grid), order=3) for axis in coarse]
        field: Pixels = np.stack(fine).astype(np.float32)
        return field


def _moved(image: Pixels, field: Pixels) -> Pixels:
    """`image`, (H, W, C), read at each pixel's place plus `field`, linearly between pixels, not beyond the edge."""
    from scipy.ndimage import map_coordinates

    places = np.indices(image.shape[:2]) + field
    channels = [map_coordinates(channel, places, order=1, mode="nearest") for channel in np.moveaxis(image, -1, 0)]
    return np.stack(channels, axis=-1)
