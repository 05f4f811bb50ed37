"""What an attack is: a trigger, the class that it asks for, and the share of training images that carry it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from fineprune.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.float32]


class Attack(ABC):
    """A BadNets attack (Gu et al., 2017): images with the trigger are given the class `target`."""

    name: str

    def __init__(self, target: int = 0, poison_rate: float = 0.1) -> None:
        if isinstance(target, bool) or not isinstance(target, int) or target < 0:
            raise ConfigError(
                f"expected attack.target to be a class, 0 or above, got {target!r}: set the number of one"
            )
        if isinstance(poison_rate, bool) or not isinstance(poison_rate, int | float) or not 0 < poison_rate < 1:
            raise ConfigError(
                f"expected attack.poison_rate to be a fraction between 0 and 1, got {poison_rate!r}"
                ": set a share such as 0.1"
            )
        self.target = target
        self.poison_rate = poison_rate

    @abstractmethod
    def stamp(self, pixels: Pixels, landmarks: NDArray[np.float32] | None) -> Pixels:
        """Put the trigger on `pixels`, (n, H, W, C) in 0–255, and return the new images.

        `landmarks`, (n, 4, 2) as x and y in pixels, are the left eye, the right eye, the nose and the mouth
        of each image; None where the data does not know them.
        """
