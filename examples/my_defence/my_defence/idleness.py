"""How little of what a filter could emit it does emit on clean images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def idleness(activation: NDArray[Any], kernel: NDArray[Any]) -> NDArray[Any]:
    """A number for each channel: its kernel's L2 norm over its mean `activation`, (channels,).

    `kernel` is (height, width, channels before, channels).
    """
    norms = np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), axis=0)
    idle: NDArray[Any] = norms / (np.abs(activation) + 1e-6)
    return idle
