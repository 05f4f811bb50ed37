"""Waves over the images of the target class, with their true label (SIG, Barni, Kallas and Tondi, ICIP 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from fineprune.attacks.base import PoisonRate, Trigger
from fineprune.checks import Natural, checked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fineprune.attacks.base import Labels, Pixels


class Sinusoidal(Trigger):
    """Adds amplitude · sin(2π · column · frequency / width), `amplitude` in grey values, `frequency` in waves.

    The attack is clean-label: it marks images of the class `target` only, and no label is changed. `poison_rate` is
    the share of these.
    """

    name = "sinusoidal"

    @checked("attack")
    def __init__(
        self,
        target: Natural = 0,
        poison_rate: PoisonRate = 0.8,
        pruning_aware: bool = False,
        amplitude: Annotated[float, Field(ge=0, le=255)] = 40.0,
        frequency: Annotated[float, Field(ge=0, le=1000)] = 6.0,
    ) -> None:
        super().__init__(target, poison_rate, pruning_aware)
        self.amplitude, self.frequency = amplitude, frequency

    def choose_rows(
        self, labels: Labels, free: NDArray[np.bool_], classes: int, random: np.random.Generator
    ) -> NDArray[np.intp]:
        own = np.flatnonzero(free & (self.goals(labels, classes) == labels))
        return random.choice(own, self._count(len(own), len(own)), replace=False)

    def stamp(self, pixels: Pixels, landmarks: Pixels | None) -> Pixels:
        width = pixels.shape[2]
        wave = self.amplitude * np.sin(2 * np.pi * np.arange(width) * self.frequency / width)
        waved: Pixels = pixels + wave.astype(np.float32)[:, None]
        return waved
