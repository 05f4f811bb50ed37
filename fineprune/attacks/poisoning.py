"""Images with a trigger: a split of them, and a train split of which a share carries it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fineprune.attacks.base import Attack, Trigger
from fineprune.data.altered import Altered
from fineprune.data.split import Images, Split
from fineprune.errors import DataError


class PoisonedSplit(Altered):
    """The images of `source` in `rows`, stamped with the trigger; by default all those whose class it changes.

    `classes` is how many classes the data has.
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

    def alter(self, start: int, stop: int) -> Images:
        return self._trigger.stamp(self.originals.pixels(start, stop), self.landmarks(start, stop))


class CoverSplit(Altered):
    """Cover images: those of `source` in `rows`, by `Trigger.stamp_cover`, random by `seed`; they keep their labels."""

    def __init__(self, source: Split, trigger: Trigger, rows: NDArray[np.intp], seed: int) -> None:
        super().__init__(source, rows)
        self._trigger, self._seed = trigger, seed

    def alter(self, start: int, stop: int) -> Images:
        return self._trigger.stamp_cover(
            self.originals.pixels(start, stop), [np.random.default_rng((self._seed, row)) for row in range(start, stop)]
        )


class Mixture(Split):
    """`source` with some of its images replaced by those of `parts`, no image by two."""

    def __init__(self, source: Split, parts: Sequence[Altered]) -> None:
        self._source, self._parts, self.scaling = source, parts, source.scaling
        self.labels = source.labels.copy()
        for part in parts:
            self.labels[part.rows] = part.labels

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._source.shape

    def pixels(self, start: int, stop: int) -> Images:
        pixels = self._source.pixels(start, stop).copy()
        for part in self._parts:
            first, last = np.searchsorted(part.rows, [start, stop])
            if first < last:
                pixels[part.rows[first:last] - start] = part.pixels(first, last)
        return pixels

    def _fingerprint(self, sha: hashlib._Hash) -> None:
        for split in (self._source, *self._parts):
            sha.update(split.digest.encode())


def poison(split: Split, attack: Attack, classes: int, random: np.random.Generator) -> Mixture:
    """`split` with a random share of its images poisoned.

    No image carries two triggers, and no cover image is poisoned. `classes` is how many there are.
    """
    parts: list[Altered] = []
    free = np.ones(len(split), bool)
    for trigger in attack.triggers.values():
        rows = np.sort(trigger.choose_rows(split.labels, free, classes, random))
        parts.append(PoisonedSplit(split, trigger, classes, rows))
        free[rows] = False
    for trigger in attack.triggers.values():
        rows = np.flatnonzero(free)
        rows = np.sort(random.choice(rows, min(len(rows), round(trigger.cover_rate * len(split))), replace=False))
        if len(rows):
            parts.append(CoverSplit(split, trigger, rows, int(random.integers(2**32))))
            free[rows] = False
    return Mixture(split, parts)
