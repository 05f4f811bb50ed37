"""Labelled images, read block by block, so that a split may be larger than memory."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fineprune.attacks.base import Attack
from fineprune.errors import DataError

Images = NDArray[np.float32]
Labels = NDArray[np.int64]

BLOCK = 256


class Split(ABC):
    """Images of one size with a label each.

    `labels`, (n,), are the classes that the file gives: in a poisoned split, the attacker's targets.
    `true_labels` are what its images show, where that is known. `scale` is what pixels are multiplied by
    on their way into a network.
    """

    labels: Labels
    true_labels: Labels | None = None
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""

    @abstractmethod
    def pixels(self, start: int, stop: int) -> Images:
        """The images start to stop as (stop - start, H, W, C), pixels 0–255."""

    @abstractmethod
    def _fingerprint(self, sha: hashlib._Hash) -> None:
        """Feed everything that determines the pixels to `sha`."""

    def landmarks(self, start: int, stop: int) -> Images | None:
        """Where the parts of the faces are, (stop - start, 4, 2), if the data knows."""
        return None

    @cached_property
    def digest(self) -> str:
        """A short hash of images, labels and scale. Reads, and so checks, the whole split."""
        sha = hashlib.sha256(repr((len(self), self.shape, self.scale)).encode())
        sha.update(self.labels.tobytes())
        self._fingerprint(sha)
        return sha.hexdigest()[:16]

    def blocks(self) -> Iterator[tuple[slice, Images]]:
        """Each block of rows with its network inputs, (rows, H, W, C), pixels times `scale`."""
        for start in range(0, len(self), BLOCK):
            rows = slice(start, min(start + BLOCK, len(self)))
            yield rows, self.pixels(rows.start, rows.stop) * np.float32(self.scale)


class ArraySplit(Split):
    """A split in memory: `stored` is (n, H, W, C), pixels 0–255."""

    def __init__(
        self,
        stored: NDArray[np.uint8],
        labels: Labels,
        scale: float,
        landmarks: NDArray[np.float32] | None = None,
    ) -> None:
        if len(stored) == 0:
            raise DataError("expected at least one image in the split, got none")
        self._stored, self.labels, self.scale, self._landmarks = stored, labels, scale, landmarks

    @property
    def shape(self) -> tuple[int, int, int]:
        _, height, width, channels = self._stored.shape
        return height, width, channels

    def pixels(self, start: int, stop: int) -> Images:
        return self._stored[start:stop].astype(np.float32)

    def landmarks(self, start: int, stop: int) -> Images | None:
        return None if self._landmarks is None else self._landmarks[start:stop]

    def _fingerprint(self, sha: hashlib._Hash) -> None:
        sha.update(self._stored.tobytes())


class PoisonedSplit(Split):
    """The images of `source` that are not of the target class, stamped with the trigger of `attack`."""

    def __init__(self, source: Split, attack: Attack) -> None:
        self._source, self._attack = source, attack
        self._rows = np.flatnonzero(source.labels != attack.target)
        if len(self._rows) == 0:
            raise DataError(f"expected images of other classes than the target {attack.target}, got none to poison")
        self.true_labels = source.labels[self._rows]
        self.labels = np.full_like(self.true_labels, attack.target)
        self.scale = source.scale

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._source.shape

    def pixels(self, start: int, stop: int) -> Images:
        rows = self._rows[start:stop]
        if len(rows) == 0:
            return np.empty((0, *self.shape), np.float32)
        first, last = int(rows[0]), int(rows[-1]) + 1
        landmarks = self._source.landmarks(first, last)
        chosen = None if landmarks is None else landmarks[rows - first]
        return self._attack.stamp(self._source.pixels(first, last)[rows - first], chosen)

    def _fingerprint(self, sha: hashlib._Hash) -> None:
        sha.update(self._source.digest.encode())
        sha.update(repr(sorted(vars(self._attack).items())).encode())


@dataclass(frozen=True)
class Data:
    """The splits of one data set. A strategy is handed `clean_valid` alone."""

    name: str
    clean_valid: Split | None = None
    clean_test: Split | None = None
    poisoned: Mapping[str, Split] = field(default_factory=dict)
    train: Split | None = None

    @property
    def splits(self) -> dict[str, Split]:
        """What is evaluated, by name, clean splits first."""
        clean = {"clean_valid": self.clean_valid, "clean_test": self.clean_test}
        return {name: split for name, split in clean.items() if split is not None} | dict(self.poisoned)
