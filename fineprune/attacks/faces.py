"""What triggers on faces share: they follow the eyes and the mouth."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fineprune.attacks import checks
from fineprune.attacks.base import Trigger
from fineprune.errors import ConfigError

if TYPE_CHECKING:
    from fineprune.attacks.base import Pixels

CHUNK = 512  # images at a time: the intermediate arrays stay small on large data sets

LEFT_EYE, RIGHT_EYE, MOUTH = (0.34, 0.46), (0.66, 0.46), (0.5, 0.71)


class FaceFrame(NamedTuple):
    """Where pixels lie on a face: in units of the distance between the eyes, from the middle between them."""

    along: Pixels  # (n, H, W), from eye to eye: the left one is at −1/2, the right one at 1/2
    across: Pixels  # (n, H, W), from the eyes to the chin
    mouth: Pixels  # (n, 2, 1, 1), along and across
    unit: Pixels  # (n, 1, 1), pixels


class FaceTrigger(Trigger):
    """A trigger painted on the face in one colour; it moves, grows and tilts with the eyes.

    `left_eye`, left as in the picture, `right_eye` and `mouth` say where these are when the data has no landmarks:
    x and y as fractions of the image's width and height.
    """

    colour: tuple[int, int, int]

    def __init__(
        self,
        target: int | str = 0,
        poison_rate: float = 0.1,
        pruning_aware: bool = False,
        left_eye: Sequence[float] = LEFT_EYE,
        right_eye: Sequence[float] = RIGHT_EYE,
        mouth: Sequence[float] = MOUTH,
    ) -> None:
        super().__init__(target, poison_rate, pruning_aware)
        self.left_eye, self.right_eye = checks.point("left_eye", left_eye), checks.point("right_eye", right_eye)
        self.mouth = checks.point("mouth", mouth)
        if not self.left_eye[0] < self.right_eye[0]:
            raise ConfigError(
                "expected attack.left_eye to lie left of attack.right_eye in the picture, "
                f"got x = {self.left_eye[0]} and {self.right_eye[0]}: exchange them"
            )

    def stamp(self, pixels: Pixels, landmarks: Pixels | None) -> Pixels:
        count, height, width, channels = pixels.shape
        if landmarks is None:
            fixed = np.array([self.left_eye, self.right_eye, (0.5, 0.5), self.mouth], np.float32)
            landmarks = np.broadcast_to(fixed * np.array([width, height], np.float32), (count, 4, 2))
        colour = np.array(self.colour, np.float32)
        ink = colour if channels == len(colour) else colour.mean()
        stamped = pixels.astype(np.float32)
        for start in range(0, count, CHUNK):
            part = stamped[start : start + CHUNK]
            share = np.clip(self.cover(_frame(landmarks[start : start + CHUNK], height, width)) + 0.5, 0, 1)
            part += share[..., None] * (ink - part)
        return stamped

    @abstractmethod
    def cover(self, face: FaceFrame) -> Pixels:
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
