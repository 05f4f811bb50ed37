"""What differs between the images of one identity: the pose, the expression, the light, and the camera's noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

HEIGHT, WIDTH = 55, 47
CENTRE = (23.0, 28.0)  # of the head, in pixels
NOISE = 5.0  # standard deviation, on 0–255


@dataclass(frozen=True)
class Views:
    """One value per image, (n,), where no other shape is given."""

    turn: Array  # radians to the right
    nod: Array  # radians downwards
    roll: Array  # radians, clockwise
    scale: Array
    shift: Array  # (n, 2), pixels
    smile: Array  # pixels by which the corners of the mouth rise
    gape: Array  # pixels by which the mouth is open
    lids: Array  # how wide the eyes are open; 1 is the identity's own width
    frown: Array  # pixels by which the brows sink
    slope: Array  # (n, 2), how much brighter the right and the lower edge are than the middle
    light: Array  # (n, 3), strength and colour of the light; 1 is white
    backdrop: Array  # (n, 3), 0–255
    clothes: Array  # (n, 3), 0–255


def draw_views(count: int, rng: np.random.Generator) -> Views:
    """`count` views, drawn one after the other: the first ones do not depend on `count`."""
    z = np.clip(rng.standard_normal((count, 23)), -2.5, 2.5)
    return Views(
        turn=0.15 * z[:, 0],
        nod=0.07 * z[:, 1],
        roll=0.055 * z[:, 2],
        scale=1 + 0.03 * z[:, 3],
        shift=0.8 * z[:, 4:6],
        smile=0.4 + 0.9 * z[:, 6],
        gape=np.maximum(0, 1.0 * z[:, 7]),
        lids=np.clip(1 + 0.25 * z[:, 8], 0.45, 1.4),
        frown=0.5 * z[:, 9],
        slope=0.12 * z[:, 10:12],
        light=(1 + 0.1 * z[:, 12:13]) * (1 + 0.03 * z[:, 13:16]),
        backdrop=np.clip(128 + 40 * z[:, 16:17] + 22 * z[:, 17:20], 0, 255),
        clothes=np.clip(105 + 40 * z[:, 20:23], 0, 255),
    )


def project(views: Views, points: Array, depth: Array | float) -> Array:
    """Pixels, (n, P, 2), of points of the head, (P, 2) or (n, P, 2), that lie `depth` pixels before its middle."""
    turn, nod, roll = (angle[:, None] for angle in (views.turn, views.nod, views.roll))
    x = points[..., 0] * np.cos(turn) + depth * np.sin(turn)
    y = points[..., 1] * np.cos(nod) + depth * np.sin(nod)
    turned = np.stack([x * np.cos(roll) - y * np.sin(roll), x * np.sin(roll) + y * np.cos(roll)], axis=-1)
    placed: Array = turned * views.scale[:, None, None] + views.shift[:, None] + np.array(CENTRE)
    return placed


def expose(pictures: NDArray[np.float32], views: Views, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The pictures, (n, HEIGHT, WIDTH, 3) in 0–255, under the views' light and with noise, image by image."""
    x = np.linspace(-1, 1, WIDTH, dtype=np.float32)
    y = np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, None]
    slope = views.slope.astype(np.float32)[..., None, None]
    strength = 1 + slope[:, 0] * x + slope[:, 1] * y
    lit = pictures * strength[..., None] * views.light.astype(np.float32)[:, None, None]
    lit += np.float32(NOISE) * rng.standard_normal(pictures.shape, dtype=np.float32)
    exposed: NDArray[np.uint8] = np.clip(lit, 0, 255).astype(np.uint8)
    return exposed
