"""Pixels from 0 to 255, however a file has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from fineprune.errors import DataError
from fineprune.untrusted.images.reading import PIXELS, Stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[Any]


def checked(images: Stored, stored_range: tuple[float, float], path: str) -> Iterator[Pixels]:
    """All of them, in 0–255, some at a time; `stored_range` is what black and white are in the file.

    Raises DataError where others are among them, or where all seem to be of another range.
    """
    low, high = stored_range
    row, lowest, highest = 0, np.inf, 0.0
    for part in images.parts():
        wrong = ~((part >= low) & (part <= high))
        if wrong.any():
            place = int(np.argmax(wrong.any(axis=tuple(range(1, part.ndim)))))
            raise DataError(
                f"expected pixels from {low:g} to {high:g} in {path}, got {part[place][wrong[place]][0]} in row "
                f"{row + place}: {_mend(part)}; data.pixel_scale is for what the network wants them multiplied by"
            )
        row, lowest, highest = row + len(part), min(lowest, float(part.min())), max(highest, float(part.max()))
        yield part if (low, high) == PIXELS else _in_pixels(part, low, high)
    if (low, high) == PIXELS and 0 < highest <= 1:
        raise DataError(
            f"expected pixels from 0 to 255 in {path}, got none above {highest:g}: set 'data.stored_range=[0,1]', by "
            "which they are multiplied by 255 first, beside the data.pixel_scale of the network, such as 1/255"
        )
    if low < 0 <= lowest or high > 255 >= highest:
        seen = 1 if highest <= 1 else 255
        raise DataError(
            f"expected pixels from {low:g} to {high:g} in {path}, got all of them from {lowest:g} to {highest:g}: set "
            f"'data.stored_range=[0,{seen}]'"
        )


def _mend(part: Pixels) -> str:
    """What to do about pixels some of which are out of the file's range."""
    if not np.isfinite(part).all():
        return "scale those in the file"
    low, high = float(part.min()), float(part.max())
    if low >= 0:
        return f"set 'data.stored_range=[0,{2**16 - 1 if high > 255 else 255}]'"
    if low >= -1 and high <= 1:
        return "set 'data.stored_range=[-1,1]' if they are x/127.5 − 1"
    return "add what was subtracted in the file, and set data.mean, which subtracts it on the way into the network"


def _in_pixels(part: Pixels, low: float, high: float) -> Pixels:
    return (part.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))


def resized(parts: Iterable[Pixels], height: int, width: int) -> Iterator[Pixels]:
    """Images (n, H, W, C), some at a time, as (1, height, width, C).

    By Pillow's bilinear filter, which averages where it makes them smaller: what torchvision's Resize does to files.
    """

    def plane(values: Pixels) -> Pixels:
        exact = values if values.dtype == np.uint8 else values.astype(np.float32)
        return np.asarray(Image.fromarray(exact).resize((width, height), Image.Resampling.BILINEAR))

    for part in parts:
        for image in part:
            yield np.stack([plane(image[..., channel]) for channel in range(image.shape[2])], axis=-1)[None]
