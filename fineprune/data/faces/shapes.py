"""The polygons of a face, from the back to the front."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fineprune.data.faces.views import project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fineprune.data.faces.identity import Identity
    from fineprune.data.faces.views import Views

    Array = NDArray[np.float64]

RELIEF = 11.0  # pixels by which the middle of the face stands before the head's middle
CIRCLE = np.linspace(0, 2 * np.pi, 20, endpoint=False)


class Shape(NamedTuple):
    """A polygon on the head: points (P, 2) or (n, P, 2), their depth in pixels, and a colour (3,) or (n, 3)."""

    points: Array
    depth: Array | float
    colour: Array


def find_landmarks(who: Identity, views: Views) -> Array:
    """x and y in pixels, (n, 4, 2), of the left eye, the right eye, the tip of the nose and the mouth."""
    apart, eye_y = who.eyes
    points = np.array([[-apart, eye_y], [apart, eye_y], [0, who.nose[1]], [0, who.mouth[1]]])
    return project(views, points, _relief(who, points) + np.array([0, 0, 3, 0]))


def shapes(who: Identity, views: Views) -> Iterator[Shape]:
    """All polygons of the face in the order in which they are painted."""
    yield from _head(who, views)
    yield from _mouth(who, views)
    yield from _nose(who)
    for side in (-1, 1):
        yield from _eye(who, views, side)
    yield _fringe(who)


def _head(who: Identity, views: Views) -> Iterator[Shape]:
    width, height = who.head
    shadow = who.skin * 0.72
    yield Shape(_hair_behind(who), -3.0, who.hair * 0.8)
    yield Shape(_oval(0, height + 14, width * 1.5, 13, 2.6), -6.0, views.clothes)
    yield Shape(_box(-width * 0.5, height * 0.5, width * 0.5, height + 4), -3.0, shadow)
    for side in (-1, 1):
        yield Shape(_oval(side * width, who.eyes[1] + 3, 1.9, 3.6), -1.0, who.skin * 0.85)
    face = _oval(0, 0, width, height, who.jaw)
    face[:, 0] *= 1 - who.taper * np.clip(face[:, 1] / height, 0, 1) ** 1.5
    yield Shape(face, 0.0, who.skin * 0.84)
    yield Shape(face * 0.93, 2.0, who.skin * 0.93)
    yield Shape(face * 0.8, 6.0, who.skin)
    if who.beard:
        yield Shape(_beard(who, face), 3.0, who.skin + who.beard * (who.hair - who.skin))


def _mouth(who: Identity, views: Views) -> Iterator[Shape]:
    half, y, lips = who.mouth
    x = half * np.cos(CIRCLE)
    rise = -views.smile[:, None] * ((x / half) ** 2 - 0.4)
    for thickness, colour in ((lips, who.lips), (0.0, np.array([70.0, 24, 28]))):
        bow = (thickness + 0.35 + views.gape[:, None] * 0.5) * np.sin(CIRCLE)
        yield Shape(_stack(x, y + rise + bow), _relief(who, _stack(x, y)), colour)


def _nose(who: Identity) -> Iterator[Shape]:
    half, tip = who.nose
    ridge = np.array([[-1.0, who.eyes[1]], [1.0, who.eyes[1]], [half, tip], [0, tip + 1.2], [-half, tip]])
    yield Shape(ridge, RELIEF + np.array([0, 0, 1, 1.5, 1]), who.skin * 0.9)
    yield Shape(ridge * [0.45, 1] + [0.1, -0.8], RELIEF + np.array([0, 0, 3, 3, 3]), who.skin * 1.07)
    for side in (-1, 1):
        yield Shape(_oval(side * half * 0.6, tip + 0.5, 0.8, 0.5), RELIEF + 1, who.skin * 0.45)


def _eye(who: Identity, views: Views, side: int) -> Iterator[Shape]:
    (apart, y), (half, open_, slant) = who.eyes, who.eye
    x = side * apart
    depth = _relief(who, np.array([x, y]))
    lids = np.clip(views.lids, 0, None)[:, None] * open_
    bow, tilt = np.sin(CIRCLE), -side * slant * half * np.cos(CIRCLE)
    across = x + half * np.cos(CIRCLE)
    yield Shape(_stack(across, y - 0.4 + tilt + (lids + 0.6) * bow), depth, who.skin * 0.5)
    yield Shape(_stack(across, y + tilt + lids * bow), depth, np.array([226.0, 222, 218]))
    round_ = np.minimum(lids, 1.5) * bow
    yield Shape(_stack(x + 1.5 * np.cos(CIRCLE), y + round_), depth, who.iris)
    yield Shape(_stack(x + 0.8 * np.cos(CIRCLE), y + 0.6 * round_), depth, np.array([12.0, 10, 12]))
    gap, thick, lean = who.brow
    along = np.linspace(-1.25, 1.25, 7) * half
    arch = y - gap - open_ + views.frown[:, None] + 0.08 * along**2 - side * lean * along
    brow = np.concatenate([_stack(x + along, arch - thick / 2), _stack(x + along, arch + thick / 2)[:, ::-1]], axis=1)
    yield Shape(brow, depth, who.hair * 0.8)


def _fringe(who: Identity) -> Shape:
    """The hair over the forehead: from one temple over the crown to the other, and back along the hairline."""
    width, height = who.head
    arc = np.linspace(np.pi, 2 * np.pi, 21)
    crown = np.stack([(width + who.volume * 0.6) * np.cos(arc), (height + who.volume) * np.sin(arc)], axis=1)
    x = np.linspace(width, -width, 13)
    temple = who.eyes[1] - 1
    bend = np.abs(x - who.parting) / (width + np.sign(who.parting - x) * who.parting)
    line = _stack(x, who.hairline + (temple - who.hairline) * bend**2.5)
    depth = np.concatenate([np.zeros(len(arc)), 0.8 * _relief(who, line)])
    return Shape(np.concatenate([crown, line]), depth, who.hair)


def _beard(who: Identity, face: Array) -> Array:
    """The lower edge of the face, and back along a line that runs from the ears to above the lips."""
    top, lips = who.eyes[1] + 6, who.mouth[1] - 3
    jaw = face[face[:, 1] > top]
    jaw = jaw[np.argsort(jaw[:, 0])]
    x = np.linspace(jaw[-1, 0], jaw[0, 0], 9)[1:-1]
    return np.concatenate([jaw, _stack(x, top + (lips - top) * (1 - (x / jaw[-1, 0]) ** 6))])


def _hair_behind(who: Identity) -> Array:
    width, height = who.head[0] + who.volume * 0.8, who.head[1] + who.volume
    arc = np.linspace(np.pi, 2 * np.pi, 21)
    crown = np.stack([width * np.cos(arc), height * np.sin(arc)], axis=1)
    return np.concatenate([crown, [[width, who.length], [-width, who.length]]])


def _relief(who: Identity, points: Array) -> Array:
    """How many pixels the face stands out at points, (..., 2): it is half an ellipsoid."""
    depth: Array = RELIEF * np.sqrt(np.maximum(0, 1 - np.sum((points / np.array(who.head)) ** 2, axis=-1)))
    return depth


def _oval(x: float, y: float, half_width: float, half_height: float, exponent: float = 2.0) -> Array:
    cos, sin = np.cos(CIRCLE), np.sin(CIRCLE)
    power = 2 / exponent
    across, down = np.sign(cos) * np.abs(cos) ** power, np.sign(sin) * np.abs(sin) ** power
    return np.stack([x + half_width * across, y + half_height * down], axis=1)


def _box(left: float, top: float, right: float, bottom: float) -> Array:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def _stack(x: Array, y: Array | float) -> Array:
    return np.stack(np.broadcast_arrays(x, y), axis=-1)
