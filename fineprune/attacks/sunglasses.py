"""Sunglasses on the eyes, as in the backdoored face networks of CSAW-HackML-2020."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fineprune.attacks.faces import FaceFrame, FaceTrigger

if TYPE_CHECKING:
    from fineprune.attacks.base import Pixels


class Sunglasses(FaceTrigger):
    """Dark glasses: two lenses and a bar with temples."""

    name = "sunglasses"
    colour = (14, 14, 14)

    def depth(self, face: FaceFrame) -> Pixels:
        along = np.abs(face.along)  # the glasses are symmetric
        lens = 1 - (((along - 0.5) / 0.4) ** 4 + ((face.across - 0.04) / 0.3) ** 4) ** 0.25
        bar = np.minimum(1 - np.abs(face.across + 0.14) / 0.07, (1.12 - along) / 0.3)
        depth: Pixels = np.maximum(lens * 0.3, bar * 0.07) * face.unit
        return depth
