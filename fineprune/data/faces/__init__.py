"""Drawn faces: a data set without a download, the same on every machine for the same seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
from PIL import Image, ImageDraw

from fineprune.checks import Count, Natural, checked
from fineprune.data.faces.identity import draw_identity
from fineprune.data.faces.shapes import find_landmarks, shapes
from fineprune.data.faces.views import HEIGHT, WIDTH, Views, draw_views, expose, project

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fineprune.data.faces.identity import Identity

__all__ = ["SPLITS", "Faces", "draw_faces"]

SplitName = Literal["train", "clean_valid", "clean_test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)
OVERSAMPLING = 3


@dataclass(frozen=True)
class Faces:
    """Face images, ordered by identity: all images of identity 0, then all of identity 1, and so on."""

    pixels: NDArray[np.uint8]  # (n, 55, 47, 3), 0–255
    labels: NDArray[np.int64]  # (n,), identity, from 0
    landmarks: NDArray[np.float32]  # (n, 4, 2): x, y in pixels of left eye, right eye, nose, mouth, as in the picture

    @classmethod
    def frozen(cls, *arrays: NDArray[Any]) -> Self:
        """Faces of those arrays, which nobody can change from now on."""
        for array in arrays:
            array.flags.writeable = False
        return cls(*arrays)


@checked("")
def draw_faces(identities: Count, per_identity: Count, split: SplitName, seed: Natural) -> Faces:
    """Draw `per_identity` images of each of the first `identities` people of the population `seed`.

    A person is determined by `seed` and its number, an image also by `split` and its place among the images
    of that person; splits are independent draws. A ConfigError says which argument is wrong.
    """
    pixels = np.empty((identities, per_identity, HEIGHT, WIDTH, 3), np.uint8)
    landmarks = np.empty((identities, per_identity, 4, 2), np.float32)
    for number in range(identities):
        who = draw_identity(number, seed)
        # Key 0 is the identities'. Views and noise have a stream each, or the noise would depend on per_identity.
        keys = np.random.SeedSequence(seed, spawn_key=(1 + SPLITS.index(split), number)).spawn(2)
        of_views, of_noise = (np.random.default_rng(key) for key in keys)
        views = draw_views(per_identity, of_views)
        pixels[number] = expose(_paint(who, views), views, of_noise)
        landmarks[number] = find_landmarks(who, views)
    return Faces.frozen(
        pixels.reshape(-1, HEIGHT, WIDTH, 3), labels(identities, per_identity), landmarks.reshape(-1, 4, 2)
    )


def labels(identities: int, per_identity: int) -> NDArray[np.int64]:
    """Who is on each image, (identities · per_identity,)."""
    return np.repeat(np.arange(identities, dtype=np.int64), per_identity)


def _paint(who: Identity, views: Views) -> NDArray[np.float32]:
    """Pictures, (n, 55, 47, 3) in 0–255, without light and noise; painted large and reduced, for smooth edges."""
    count = len(views.turn)
    outlines, colours = [], []
    for shape in shapes(who, views):
        outlines.append((project(views, shape.points, shape.depth) * OVERSAMPLING).reshape(count, -1).tolist())
        colours.append(_inks(shape.colour, count))
    pictures = np.empty((count, HEIGHT, WIDTH, 3), np.float32)
    for i, backdrop in enumerate(_inks(views.backdrop, count)):
        canvas = Image.new("RGB", (WIDTH * OVERSAMPLING, HEIGHT * OVERSAMPLING), backdrop)
        pen = ImageDraw.Draw(canvas)
        for outline, colour in zip(outlines, colours, strict=True):
            pen.polygon(outline[i], fill=colour[i])
        pictures[i] = np.asarray(canvas.reduce(OVERSAMPLING))
    return pictures


def _inks(colour: NDArray[np.float64], count: int) -> list[tuple[int, int, int]]:
    rounded = np.broadcast_to(np.clip(colour, 0, 255).astype(int), (count, 3))
    return [(red, green, blue) for red, green, blue in rounded.tolist()]
