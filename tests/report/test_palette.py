"""What is drawn together is told apart: by readers who confuse colours, and in grey."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from fineprune.comparison.figure_style import DARK
from fineprune.report.palette import COLOURS, INK, REST, look

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009).
SIGHT = {
    "all three cones": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}
TO_XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])
WHITE = TO_XYZ.sum(axis=1)


def linear(colour: str) -> NDArray[np.float64]:
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(colour: str, sight: str) -> NDArray[np.float64]:
    """What a reader of that sight sees, in CIELAB."""
    xyz = TO_XYZ @ (np.array(SIGHT[sight]) @ linear(colour)).clip(0, 1) / WHITE
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("ink", [INK, DARK[INK]], ids=["on white", "on black"])
def test_any_two_colours_are_told_apart(sight: str, ink: str) -> None:
    """ΔE of 2 is just seen side by side; lines that are apart, and thin, take more."""
    colours = [ink if colour == INK else colour for colour in (*COLOURS, REST)]
    assert min(np.linalg.norm(lab(one, sight) - lab(other, sight)) for one, other in combinations(colours, 2)) > 15


def test_up_to_eight_are_told_apart_in_grey_too() -> None:
    looks = [look(number) for number in range(8)]
    for part in ("colour", "stroke", "marker"):
        assert len({getattr(one, part) for one in looks}) == 8


def test_more_are_grey() -> None:
    assert [look(number).colour for number in (6, 7, 8, 30)] == [COLOURS[6], REST, REST, REST]
