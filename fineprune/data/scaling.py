"""What becomes of pixels, 0–255, on their way into a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fineprune.errors import ConfigError

Numbers = NDArray[np.float32]
Level = float | Numbers


@dataclass(frozen=True)
class Scaling:
    """(pixels · scale − mean) / std, where `mean` and `std` have a number for each channel, or none."""

    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __call__(self, pixels: Numbers) -> Numbers:
        """What a network takes of `pixels`, (…, C) in 0–255: float32."""
        if self.is_plain:
            return pixels * np.float32(self.scale)
        # Divided, as torchvision's ToTensor and Normalize do: multiplied, the last bit would be another.
        scaled = pixels / np.float32(1 / self.scale)
        mean, std = np.array(self.mean or (0,), np.float32), np.array(self.std or (1,), np.float32)
        return (scaled - mean) / std

    @property
    def is_plain(self) -> bool:
        """Whether there is neither mean nor std."""
        return not self.mean and not self.std

    @property
    def black(self) -> Level:
        """What a network takes of a black image's pixels: one number, or (C,)."""
        return 0.0 if self.is_plain else self._level(0)

    @property
    def white(self) -> Level:
        """The same of a white image's."""
        return 255 * self.scale if self.is_plain else self._level(255)

    @property
    def key(self) -> Any:
        """What tells it from others, ready for JSON."""
        return self.scale if self.is_plain else [self.scale, list(self.mean), list(self.std)]

    def check(self, channels: int) -> None:
        """Raise ConfigError unless it is for images of so many channels."""
        for name, values in {"mean": self.mean, "std": self.std}.items():
            if len(values) not in (0, channels):
                raise ConfigError(
                    f"expected data.{name} to have a number for each channel, {channels}, got {len(values)}: set "
                    f"{channels}"
                )

    def _level(self, pixel: int) -> Numbers:
        return self(np.full(len(self.mean or self.std), pixel, np.float32))
