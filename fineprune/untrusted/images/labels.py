"""Classes by number, from 0, however a file has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fineprune.errors import DataError
from fineprune.untrusted import limits
from fineprune.untrusted.images.reading import Stored

if TYPE_CHECKING:
    from numpy.typing import NDArray


def classes(stored: Stored, images: int, first: int, path: str) -> Iterator[NDArray[np.int64]]:
    """The classes, from 0, of so many images, some at a time: of labels (N,), (N, 1), or one-hot, (N, classes).

    `first` is the number of the first class in the file. Raises DataError where they are no classes.
    """
    shape, where = stored.shape, f"'{stored.name}' in {path}"
    if not shape or shape[0] != images or len(shape) > 2 or 0 in shape or shape[1:] > (limits.CLASSES,):
        raise DataError(
            f"expected {where} of shape ({images},), one an image, or one-hot, got {shape}: give each its class"
        )
    one_hot = shape[1:] > (1,)
    return _checked(_numbered(stored, where) if one_hot else stored.parts(), first, where)


def none(images: int) -> Iterator[NDArray[np.int64]]:
    """0 for each of so many images, of which nobody says what they show."""
    yield np.zeros(images, np.int64)


def _numbered(stored: Stored, where: str) -> Iterator[NDArray[Any]]:
    """Of one-hot labels, where the 1 stands."""
    row = 0
    for part in stored.parts():
        wrong = (np.count_nonzero(part, axis=1) != 1) | (part.max(axis=1) != 1)
        if wrong.any():
            raise DataError(
                f"expected {where} to be one-hot, a single 1 in each row and 0 elsewhere, got another row "
                f"{row + int(np.argmax(wrong))}: give classes by number"
            )
        row += len(part)
        yield part.argmax(axis=1)


def _checked(parts: Iterator[NDArray[Any]], first: int, where: str) -> Iterator[NDArray[np.int64]]:
    row = 0
    for part in parts:
        labels = part.reshape(-1)
        values = labels.astype(np.float64) - first  # float16 cannot hold the bound below
        wrong = ~((values >= 0) & (values < limits.CLASSES) & (values == np.floor(values)))
        if wrong.any():
            place = int(np.argmax(wrong))
            raise DataError(
                f"expected {where} to hold whole numbers from {first}, got {labels[place]} in row {row + place}: give "
                f"classes by number, at most {limits.CLASSES:,}; data.first_label is that of the first"
            )
        row += len(labels)
        yield values.astype(np.int64)
