"""How files hold images, which their owner says, and what a reader finds in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANNELS_FIRST, CHANNELS_LAST, AUTO = "channels_first", "channels_last", "auto"
PIXELS = (0.0, 255.0)


@dataclass(frozen=True)
class Reading:
    """What a file's arrays are called, and what stands in them.

    `layout` is AUTO, CHANNELS_FIRST or CHANNELS_LAST, `first_label` the number of the first class, `stored_range` what
    black and white are in the file, and `resize` the height and width to bring images to. An array of the name
    `true_labels` has to be there only if that is not its usual name; None reads none. Nor are labels read where
    `labels` is empty. Of a folder of images, `classes` are the folders in it, or the files, in their order.
    """

    images: str = "data"
    labels: str = "label"
    true_labels: str | None = "true_label"
    layout: str = AUTO
    first_label: int = 0
    stored_range: tuple[float, float] = PIXELS
    resize: tuple[int, int] | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stored:
    """An array in a file: `parts` reads its rows, some at a time, in order."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    parts: Callable[[], Iterator[NDArray[Any]]]
