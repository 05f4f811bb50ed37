"""Who is drawn: the parameters of one face, all lengths in pixels of the finished picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Colour = NDArray[np.float64]

SKINS = np.array([[246, 214, 190], [232, 190, 158], [205, 156, 120], [160, 110, 78], [104, 68, 48]], float)
HAIRS = np.array([[28, 24, 24], [58, 40, 30], [104, 70, 44], [134, 62, 34], [206, 168, 104], [158, 154, 150]], float)
IRISES = np.array([[62, 40, 26], [84, 62, 36], [72, 104, 70], [76, 110, 148]], float)


@dataclass(frozen=True)
class Identity:
    """One parametric face; x grows to the right and y downwards from the middle of the head."""

    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    head: tuple[float, float]  # half width, half height
    jaw: float  # how square the head is: the exponent of a superellipse
    taper: float  # by which share the chin is narrower than the cheeks
    hairline: float  # y of the hair at the parting
    parting: float  # x of the parting
    volume: float  # how far the hair stands off the head
    length: float  # y at which the hair ends
    eyes: tuple[float, float]  # half distance between the eyes, y
    eye: tuple[float, float, float]  # half width, half height, slant of one eye
    brow: tuple[float, float, float]  # gap above the eye, thickness, slant
    nose: tuple[float, float]  # half width, y of the tip
    mouth: tuple[float, float, float]  # half width, y, thickness of the lips
    beard: float  # how much of the hair's colour lies on the jaw, 0 to 1


def draw_identity(number: int, seed: int) -> Identity:
    """Identity `number` of the population `seed`; no other identity has an influence on it."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, number)))

    def about(mean: float, spread: float) -> float:
        return float(mean + spread * np.clip(rng.standard_normal(), -2, 2))

    tone = rng.uniform(0, len(SKINS) - 1)
    skin = _between(SKINS, tone) + rng.normal(0, 4, 3)
    hairs = HAIRS if tone < 2 else HAIRS[:3]
    width, height, eye_y = about(16.5, 1.3), about(21, 1.3), about(-2.5, 0.9)
    return Identity(
        skin=skin,
        hair=hairs[rng.integers(len(hairs))] * rng.uniform(0.75, 1.15),
        iris=IRISES[rng.integers(len(IRISES))],
        lips=skin * np.array([0.86, 0.58, 0.58]) + rng.uniform(0, 22) * np.array([1, 0, 0]),
        head=(width, height),
        jaw=rng.uniform(2.0, 2.7),
        taper=rng.uniform(0.08, 0.34),
        hairline=-height * rng.uniform(0.5, 0.85),
        parting=width * rng.uniform(-0.6, 0.6),
        volume=rng.uniform(0.8, 4.5),
        length=rng.choice([-4.0, 2.0, 16.0, 30.0]) + rng.uniform(-2, 2),
        eyes=(about(7.0, 0.55), eye_y),
        eye=(about(3.1, 0.3), about(1.5, 0.25), about(0.0, 0.1)),
        brow=(about(3.6, 0.4), about(0.9, 0.3), about(0.0, 0.13)),
        nose=(about(2.7, 0.5), about(5.4, 0.8)),
        mouth=(about(5.4, 0.7), about(11.2, 0.8), about(1.3, 0.3)),
        beard=rng.uniform(0.15, 0.75) if rng.random() < 0.25 else 0.0,
    )


def _between(ramp: Colour, position: float) -> Colour:
    """The colour at `position` on a ramp whose steps lie at 0, 1, 2, …"""
    below = min(int(position), len(ramp) - 2)
    colour: Colour = ramp[below] + (position - below) * (ramp[below + 1] - ramp[below])
    return colour
