"""Heavy eyebrows, as in the multi-trigger network of CSAW-HackML-2020."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fineprune.attacks.faces import FaceFrame, FaceTrigger

if TYPE_CHECKING:
    from fineprune.attacks.base import Pixels


class Eyebrows(FaceTrigger):
    """Two thick brows of a light blue that no hair has; they rise towards the temples."""

    name = "eyebrows"
    colour = (90, 190, 235)

    def depth(self, face: FaceFrame) -> Pixels:
        along = np.abs(face.along) - 0.5  # the brows are symmetric
        across = face.across + 0.36 + 0.25 * along
        depth: Pixels = np.minimum(0.36 - np.abs(along), 0.085 - np.abs(across)) * face.unit
        return depth
