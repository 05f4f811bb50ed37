"""Labelled images, read block by block, so that a split may be larger than memory."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fineprune.attacks.base import Trigger
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
    def classes(self) -> int:
        """One more than the highest label."""
        return int(self.labels.max()) + 1

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
            raise DataError("expected at least one image in the split, got none: give it images")
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


class Subset(Split):
    """Those images of `source` that stand in `rows`, (n,), ascending."""

    def __init__(self, source: Split, rows: NDArray[np.intp]) -> None:
        self._source, self._rows, self.scale = source, rows, source.scale
        self.labels = source.labels[rows]
        self.true_labels = None if source.true_labels is None else source.true_labels[rows]

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._source.shape

    def pixels(self, start: int, stop: int) -> Images:
        rows, between = self._rows[start:stop], self._between(start, stop)
        return self._source.pixels(*between)[rows - between[0]]

    def landmarks(self, start: int, stop: int) -> Images | None:
        rows, between = self._rows[start:stop], self._between(start, stop)
        found = self._source.landmarks(*between)
        return None if found is None else found[rows - between[0]]

    def _between(self, start: int, stop: int) -> tuple[int, int]:
        rows = self._rows[start:stop]
        return (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)

    def _fingerprint(self, sha: hashlib._Hash) -> None:
        sha.update(self._source.digest.encode())
        sha.update(self._rows.tobytes())


class PoisonedSplit(Subset):
    """The images of `source` in `rows`, stamped with the trigger; by default all that it asks another class of.

    `classes` is how many classes the data has. Pixels are whole numbers in 0–255, as an image file holds them.
    """

    def __init__(self, source: Split, trigger: Trigger, classes: int, rows: NDArray[np.intp] | None = None) -> None:
        if rows is None:
            rows = np.flatnonzero(trigger.goals(source.labels, classes) != source.labels)
        if len(rows) == 0:
            raise DataError(
                f"expected images of other classes than the target {trigger.target}, got none to poison"
                ": take another attack.target, or images of more classes"
            )
        super().__init__(source, rows)
        self._trigger = trigger
        self.true_labels = self.labels
        self.labels = trigger.goals(self.labels, classes)

    def unstamped(self, start: int, stop: int) -> Images:
        """The images start to stop without the trigger, (stop - start, H, W, C), pixels 0–255."""
        return super().pixels(start, stop)

    def pixels(self, start: int, stop: int) -> Images:
        return self._stamped[start:stop].astype(np.float32)

    def _fingerprint(self, sha: hashlib._Hash) -> None:
        sha.update(self._stamped.tobytes())

    @cached_property
    def _stamped(self) -> NDArray[np.uint8]:
        """All images with the trigger, kept, since they are read many times, and training holds more than that."""
        stamped = np.empty((len(self), *self.shape), np.uint8)
        for start in range(0, len(self), BLOCK):
            stop = min(start + BLOCK, len(self))
            stamped[start:stop] = whole(self._trigger.stamp(self.unstamped(start, stop), self.landmarks(start, stop)))
        return stamped


def whole(pixels: Images) -> Images:
    """The nearest whole numbers in 0–255."""
    rounded: Images = np.rint(pixels.clip(0, 255))
    return rounded


def hold_out(split: Split, share: float, seed: int) -> tuple[Split, Split]:
    """Part `split` in two at random: the rest, to train on, and `share` of it, which training must not see."""
    held = min(max(round(share * len(split)), 1), len(split) - 1)
    if held < 1:
        raise DataError(
            f"expected at least two images to hold some out of, got {len(split)}: take more clean_valid images"
        )
    rows = np.random.default_rng(seed).permutation(len(split))
    return Subset(split, np.sort(rows[held:])), Subset(split, np.sort(rows[:held]))


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
