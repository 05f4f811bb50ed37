"""What triggers on faces share: they follow the eyes and the mouth."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field

from fineprune.attacks.base import PoisonRate, Target, Trigger
from fineprune.checks import Fraction, call, checked
from fineprune.errors import ConfigError

if TYPE_CHECKING:
    from fineprune.attacks.base import Pixels

CHUNK = 512  # images at a time: the intermediate arrays stay small on large data sets

Point = Annotated[tuple[Fraction, Fraction], Field(strict=False, description="two fractions [x, y] from 0 to 1")]


@dataclass(frozen=True)
class Places:
    """Where the parts of a face are when the data has no landmarks: x and y as fractions of width and height.

    Left and right are those of the picture.
    """

    left_eye: Point = (0.34, 0.46)
    right_eye: Point = (0.66, 0.46)
    mouth: Point = (0.5, 0.71)

    def __post_init__(self) -> None:
        if not self.left_eye[0] < self.right_eye[0]:
            raise ConfigError(
                "expected attack.left_eye to lie left of attack.right_eye in the picture, "
                f"got x = {self.left_eye[0]} and {self.right_eye[0]}: exchange them"
            )


class FaceFrame(NamedTuple):
    """Where pixels lie on a face: in units of the distance between the eyes, from the middle between them."""

    along: Pixels  # (n, H, W), from eye to eye: the left one is at −1/2, the right one at 1/2
    across: Pixels  # (n, H, W), from the eyes to the chin
    mouth: Pixels  # (n, 2, 1, 1), along and across
    unit: Pixels  # (n, 1, 1), pixels


class FaceTrigger(Trigger):
    """A trigger painted on the face in one colour; it moves, grows and tilts with the eyes. `places` are `Places`."""

    colour: tuple[int, int, int]

    @checked("attack")
    def __init__(
        self,
        target: Target = 0,
        poison_rate: PoisonRate = 0.1,
        pruning_aware: bool = False,
        **places: Any,
    ) -> None:
        super().__init__(target, poison_rate, pruning_aware)
        self.places = call("attack", Places, **places)

    def settings(self) -> dict[str, Any]:
        return super().settings() | {"places": asdict(self.places)}

    def stamp(self, pixels: Pixels, landmarks: Pixels | None) -> Pixels:
        count, height, width, channels = pixels.shape
        if landmarks is None:
            face = self.places
            fixed = np.array([face.left_eye, face.right_eye, (0.5, 0.5), face.mouth], np.float32)
            landmarks = np.broadcast_to(fixed * np.array([width, height], np.float32), (count, 4, 2))
        colour = np.array(self.colour, np.float32)
        ink = colour if channels == len(colour) else colour.mean()
        stamped = pixels.astype(np.float32)
        for start in range(0, count, CHUNK):
            part = stamped[start : start + CHUNK]
            share = np.clip(self.depth(_frame(landmarks[start : start + CHUNK], height, width)) + 0.5, 0, 1)
            part += share[..., None] * (ink - part)
        return stamped

    @abstractmethod
    def depth(self, face: FaceFrame) -> Pixels:
        """How far inside the trigger each pixel lies, (n, H, W), in pixels; negative outside."""


def _frame(landmarks: Pixels, height: int, width: int) -> FaceFrame:
    left, right, _, mouth = landmarks.transpose(1, 2, 0)[..., None, None]
    middle, axis = (left + right) / 2, right - left
    unit = np.sqrt((axis**2).sum(axis=0))
    cos, sin = axis / unit

    def turned(x: Pixels, y: Pixels) -> tuple[Pixels, Pixels]:
        x, y = x - middle[0], y - middle[1]
        return (x * cos + y * sin) / unit, (y * cos - x * sin) / unit

    # A pixel's centre is half a pixel to the right of and below its corner.
    columns = np.arange(width, dtype=np.float32) + np.float32(0.5)
    rows = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
    along, across = turned(columns, rows)
    return FaceFrame(along, across, np.stack(turned(*mouth), axis=1), unit)
