"""Images and labels in a file's arrays, in the layouts that people have, checked and brought to one form."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fineprune.untrusted.images import labels, layout, pixels
from fineprune.untrusted.images.reading import PIXELS, Reading, Stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fineprune.untrusted.vetting import Handover


def hand_over(
    stored: Callable[[str], Stored], has: Callable[[str], bool], reading: Reading, path: str, handover: Handover
) -> None:
    """Hand over `label` and, where the file has them, `true_label`, (N,) as int64, and then the images.

    Without a name of the labels, all are 0.

    `stored` is the array of a name in the file `path`; `has` is whether it is there. Raises DataError where one is not
    what `reading` says.
    """
    images = stored(reading.images)
    shape, turn = layout.channels_last(images, reading, path)
    names = {"label": reading.labels}
    if (shown := reading.true_labels) and (shown != Reading.true_labels or has(shown)):
        names["true_label"] = shown
    for kind, name in names.items():
        parts = labels.classes(stored(name), shape[0], reading.first_label, path) if name else labels.none(shape[0])
        handover.add(kind, np.dtype(np.int64), shape[:1], parts)
    dtype = images.dtype if tuple(reading.stored_range) == PIXELS else np.dtype(np.float32)
    parts = map(turn, pixels.checked(images, reading.stored_range, path))
    hand_over_pixels(parts, dtype, shape, reading, handover)


def hand_over_pixels(
    parts: Iterator[NDArray[Any]],
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    reading: Reading,
    handover: Handover,
) -> None:
    """Hand over `data`, (N, H, W, C) in 0–255, of the size that `reading` asks for, and its SHA-256 as `digest`."""
    sha = hashlib.sha256()
    if reading.resize is not None:
        height, width = reading.resize
        parts = pixels.resized(parts, height, width)
        shape, dtype = (shape[0], height, width, shape[3]), dtype if dtype == np.uint8 else np.dtype(np.float32)
        layout.check_size(shape, f"data.resize of {reading.resize}")

    def fed() -> Iterator[NDArray[Any]]:
        for part in parts:
            whole = np.ascontiguousarray(part, dtype)
            sha.update(whole.data)
            yield whole

    handover.add("data", dtype, shape, fed())
    digest = np.frombuffer(sha.digest(), np.uint8)
    handover.add("digest", digest.dtype, digest.shape, [digest])
