"""Labelled images, read block by block, so that a split may be larger than memory."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fineprune.data.scaling import Level, Scaling
from fineprune.errors import DataError

if TYPE_CHECKING:
    import tensorflow as tf

Images = NDArray[np.float32]
Labels = NDArray[np.int64]

BLOCK = 256
MEMORY = 2**28  # bytes of images, as a network takes them, to hold at once

CLEAN_VALID = "clean_valid"
CLEAN_TEST = "clean_test"


class Split(ABC):
    """Images of one size with a label each.

    `labels`, (n,), are the classes that the file gives: in a poisoned split, the attacker's targets.
    `true_labels` are what its images show, where that is known. `scaling` is what becomes of pixels on their way into a
    network.
    """

    labels: Labels
    true_labels: Labels | None = None
    scaling: Scaling = Scaling()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def black(self) -> Level:
        """What a network takes of a black image's pixels: one number, or (C,)."""
        return self.scaling.black

    @property
    def white(self) -> Level:
        """The same of a white image's."""
        return self.scaling.white

    @property
    def span(self) -> Level:
        """How far white is from black there."""
        return self.white - self.black

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

    def inputs(self, start: int, stop: int) -> Images:
        """The same as a network takes them."""
        return self.scaling(self.pixels(start, stop))

    @abstractmethod
    def _fingerprint(self, sha: hashlib._Hash) -> None:
        """Feed everything that determines the pixels to `sha`."""

    def landmarks(self, start: int, stop: int) -> Images | None:
        """Where the parts of the faces are, (stop - start, 4, 2), if the data has them."""
        return None

    @cached_property
    def digest(self) -> str:
        """A short hash of images, labels and scaling. Reads, and so checks, the whole split."""
        sha = hashlib.sha256(repr((len(self), self.shape, self.scaling.key)).encode())
        sha.update(self.labels.tobytes())
        self._fingerprint(sha)
        return sha.hexdigest()[:16]

    def blocks(self) -> Iterator[tuple[slice, Images]]:
        """Each block of rows with its network inputs, (rows, H, W, C)."""
        for start in range(0, len(self), BLOCK):
            rows = slice(start, min(start + BLOCK, len(self)))
            yield rows, self.inputs(rows.start, rows.stop)

    def batches(
        self, size: int, seed: int, *, steps: int | None = None, epochs: int | None = None, limit: int | None = None
    ) -> tf.data.Dataset:
        """Shuffled batches of images, (size, H, W, C) float32 as a network takes them, and labels, (size,) int64.

        There are `steps` batches, or those of `epochs` epochs; an epoch has every image once, and ends with a smaller
        batch where `size` does not divide them. `limit` is how many images to draw, if there are more; those of a
        smaller limit are among those of a larger one. The same `seed` gives the same batches.

        Images of more than MEMORY bytes are never in memory all at once, and so not shuffled perfectly: blocks of rows
        are read in random order, as many at a time as fit, and shuffled among each other. Raises ValueError.
        """
        import tensorflow as tf

        for name, value in {"size": size, "steps": steps, "epochs": epochs, "limit": limit}.items():
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"expected {name} to be a whole number ≥ 1, got {value!r}")
        if (steps is None) == (epochs is None):
            raise ValueError(f"expected either steps or epochs, got steps={steps} and epochs={epochs}")
        split = self if limit is None else sample(self, limit, seed)
        steps = steps or (epochs or 0) * -(-len(split) // size)
        signature = tf.TensorSpec((None, *self.shape), tf.float32), tf.TensorSpec((None,), tf.int64)
        batches = tf.data.Dataset.from_generator(
            lambda: islice(_shuffled(split, size, seed), steps), output_signature=signature
        )
        return batches.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(1)


class ArraySplit(Split):
    """A split in memory: `stored` is (n, H, W, C), pixels 0–255, or from 0 to another `white`."""

    def __init__(
        self,
        stored: NDArray[Any],
        labels: Labels,
        scaling: Scaling,
        landmarks: NDArray[np.float32] | None = None,
        white: float | None = None,
    ) -> None:
        if len(stored) == 0:
            raise DataError("expected at least one image in the split, got none: give it images")
        self._stored, self.labels, self.scaling, self._landmarks = stored, labels, scaling, landmarks
        self._white = white

    @property
    def white(self) -> Level:
        return super().white if self._white is None else self._white

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
        self._source, self.rows, self.scaling = source, rows, source.scaling
        self.labels = source.labels[rows]
        self.true_labels = None if source.true_labels is None else source.true_labels[rows]

    @property
    def black(self) -> Level:
        return self._source.black

    @property
    def white(self) -> Level:
        return self._source.white

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._source.shape

    def pixels(self, start: int, stop: int) -> Images:
        rows = self.rows[start:stop]
        # However far apart they are, no more than a block of the source is read at once.
        parts = np.split(rows, np.flatnonzero(np.diff(rows // BLOCK)) + 1)
        return np.concatenate([self._source.pixels(int(near[0]), int(near[-1]) + 1)[near - near[0]] for near in parts])

    def landmarks(self, start: int, stop: int) -> Images | None:
        rows, between = self.rows[start:stop], self._between(start, stop)
        landmarks = self._source.landmarks(*between)
        return None if landmarks is None else landmarks[rows - between[0]]

    def _between(self, start: int, stop: int) -> tuple[int, int]:
        rows = self.rows[start:stop]
        return (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)

    def _fingerprint(self, sha: hashlib._Hash) -> None:
        sha.update(self._source.digest.encode())
        sha.update(self.rows.tobytes())


def in_memory(split: Split) -> tuple[Images, Labels]:
    """All images of `split` as network inputs, (n, H, W, C), and their labels."""
    inputs = np.empty((len(split), *split.shape), np.float32)
    for rows, images in split.blocks():
        inputs[rows] = images
    return inputs, split.labels


def fits(images: int, *shapes: Sequence[int]) -> bool:
    """Whether so many images, or activations, fit into memory: arrays of `shapes` for each image."""
    return images <= _capacity(*shapes)


def _capacity(*shapes: Sequence[int]) -> int:
    return MEMORY // (4 * sum(map(math.prod, shapes)))


def sample(split: Split, count: int, seed: int) -> Split:
    """At most `count` images of `split`, at random; those of a smaller `count` are among those of a larger one."""
    return Subset(split, np.sort(np.random.default_rng(seed).permutation(len(split))[:count]))


def _shuffled(split: Split, size: int, seed: int) -> Iterator[tuple[Images, Labels]]:
    """Batches of images as network inputs with their labels, epoch after epoch, without end."""
    random = np.random.default_rng(seed)
    cached = in_memory(split) if fits(len(split), split.shape) else None
    while True:
        if cached:
            yield from _batches(*cached, size, random)
        else:
            for rows in _windows(len(split), max(_capacity(split.shape) // size, 1) * size, random):
                yield from _batches(*in_memory(Subset(split, rows)), size, random)


def _windows(count: int, size: int, random: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """All rows of `count`, `size` at a time: those of blocks that follow each other in random order."""
    blocks = [np.arange(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]
    rows = np.concatenate([blocks[number] for number in random.permutation(len(blocks))])
    for start in range(0, count, size):
        yield np.sort(rows[start : start + size])


def _batches(images: Images, labels: Labels, size: int, random: np.random.Generator) -> Iterator[tuple[Images, Labels]]:
    order = random.permutation(len(labels))
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        yield images[rows], labels[rows]


def hold_out(split: Split, share: float, seed: int) -> tuple[Split, Split]:
    """Divide `split` in two at random: the rest, to train on, and `share` of it, which training must not see."""
    count = min(max(round(share * len(split)), 1), len(split) - 1)
    if count < 1:
        raise DataError(
            f"expected at least two images to hold some out of, got {len(split)}: take more clean_valid images"
        )
    rows = np.random.default_rng(seed).permutation(len(split))
    return Subset(split, np.sort(rows[count:])), Subset(split, np.sort(rows[:count]))


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
        clean = {CLEAN_VALID: self.clean_valid, CLEAN_TEST: self.clean_test}
        return {name: split for name, split in clean.items() if split is not None} | dict(self.poisoned)
