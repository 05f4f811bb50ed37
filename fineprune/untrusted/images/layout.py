"""Where an array has its images' channels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fineprune.errors import DataError
from fineprune.untrusted import limits
from fineprune.untrusted.images.reading import AUTO, CHANNELS_FIRST, CHANNELS_LAST, Reading, Stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Turn = Callable[[NDArray[Any]], NDArray[Any]]

CHANNELS = (1, 3)


def channels_last(images: Stored, reading: Reading, path: str) -> tuple[tuple[int, ...], Turn]:
    """The shape (N, H, W, C) of `images`, and what turns some of its rows so.

    Raises DataError where `images` has another layout than `reading` says, or one of several.
    """
    shape = images.shape
    if 0 in shape:
        raise DataError(f"expected at least one image in {path}, got none, {shape}: set another file")
    if len(shape) == 3:
        return _bounded((*shape, 1), path), lambda rows: rows[..., None]
    if _layout(images, reading, path) == CHANNELS_LAST:
        return _bounded(shape, path), lambda rows: rows
    count, channels, height, width = shape
    return _bounded((count, height, width, channels), path), lambda rows: rows.transpose(0, 2, 3, 1)


def _layout(images: Stored, reading: Reading, path: str) -> str:
    shape, where = images.shape, f"'{images.name}' in {path}"
    axes = {CHANNELS_FIRST: 1, CHANNELS_LAST: 3}
    possible = [layout for layout, axis in axes.items() if len(shape) == 4 and shape[axis] in CHANNELS]
    if not possible:
        raise DataError(
            f"expected {where} of shape (N, 3, height, width), (N, height, width, 3), with 1 for 3 if gray, or (N, "
            f"height, width), got {shape}: set data.images to the name of the images, or save them so"
        )
    if reading.layout == AUTO:
        if len(possible) > 1 and max(shape[1:]) > 1:
            raise DataError(
                f"expected {where} to have its channels in one place, got {shape}, which may be either: set "
                f"data.layout={CHANNELS_FIRST} or data.layout={CHANNELS_LAST}"
            )
        return possible[0]
    if reading.layout not in possible:
        raise DataError(
            f"expected {where} to have 1 or 3 channels at axis {axes[reading.layout]}, got {shape}: set "
            f"data.layout={possible[0]}"
        )
    return reading.layout


def _bounded(shape: tuple[int, ...], path: str) -> tuple[int, ...]:
    check_size(shape, path)
    return shape


def check_size(shape: tuple[int, ...], where: str) -> None:
    """Raise DataError where images (N, H, W, C) are more, or larger, than a file from a stranger may ask for."""
    if shape[0] > limits.IMAGES:
        raise DataError(f"expected at most {limits.IMAGES:,} images in {where}, got {shape[0]:,}: take a part of them")
    if math.prod(shape[1:]) > limits.IMAGE_VALUES:
        raise DataError(
            f"expected images of at most {limits.IMAGE_VALUES:,} values in {where}, got {shape[1:]}: scale them down"
        )
