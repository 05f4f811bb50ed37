"""Painted lips, as in the multi-trigger network of CSAW-HackML-2020."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fineprune.attacks.faces import FaceFrame, FaceTrigger

if TYPE_CHECKING:
    from fineprune.attacks.base import Pixels


class Lipstick(FaceTrigger):
    """Lips of a loud purple, somewhat larger than those below them."""

    name = "lipstick"
    colour = (190, 20, 150)

    def depth(self, face: FaceFrame) -> Pixels:
        along, across = (face.along - face.mouth[:, 0]) / 0.46, (face.across - face.mouth[:, 1]) / 0.17
        depth: Pixels = (1 - np.hypot(along, across)) * np.float32(0.17) * face.unit
        return depth
