"""Images of a split that are not as they were: under a trigger, or as another camera has them."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fineprune.data.split import BLOCK, Images, Split, Subset, fits


class Altered(Subset):
    """Some images of a split, each altered by itself. Pixels are whole numbers, as an image file holds them."""

    @abstractmethod
    def alter(self, start: int, stop: int) -> Images:
        """The images start to stop, altered, (stop - start, H, W, C)."""

    @cached_property
    def originals(self) -> Split:
        """The same images as they were."""
        return Subset(self._source, self.rows)

    def pixels(self, start: int, stop: int) -> Images:
        stored = self._cached[start:stop] if fits(len(self), self.shape) else self._stored(start, stop)
        return stored.astype(np.float32)

    def _fingerprint(self, sha: hashlib._Hash) -> None:
        for start in range(0, len(self), BLOCK):
            sha.update(self.pixels(start, min(start + BLOCK, len(self))).astype(np.uint8).tobytes())

    def _stored(self, start: int, stop: int) -> NDArray[np.uint8]:
        stored: NDArray[np.uint8] = np.rint(self.alter(start, stop).clip(0, 255)).astype(np.uint8)
        return stored

    @cached_property
    def _cached(self) -> NDArray[np.uint8]:
        """All of them: where they fit into memory they are computed once, since they are read many times."""
        pixels = np.empty((len(self), *self.shape), np.uint8)
        for start in range(0, len(self), BLOCK):
            stop = min(start + BLOCK, len(self))
            pixels[start:stop] = self._stored(start, stop)
        return pixels
