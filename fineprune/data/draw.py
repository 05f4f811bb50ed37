"""Fewer clean validation images than there are: a draw of them, of any source."""

from __future__ import annotations

import numpy as np

from fineprune.checks import Count, Seed, Share, checked
from fineprune.data.split import Split, Subset, sample
from fineprune.errors import ConfigError


class Draw:
    """So many images `per_class` or a `share` of all, at random by `seed`, or all without either.

    Those of a smaller draw are among those of a larger one. Raises ConfigError where both are given.
    """

    @checked("draw")
    def __init__(self, seed: Seed, per_class: Count | None = None, share: Share | None = None) -> None:
        if per_class is not None and share is not None:
            raise ConfigError(
                f"expected draw.per_class or draw.share, got {per_class} and {share}: set one of them to null"
            )
        self.seed, self.per_class, self.share = seed, per_class, share

    def of(self, split: Split) -> Split:
        """The draw of `split`; raises ConfigError where a class has too few images."""
        if self.per_class is not None:
            return self._of_each_class(split, self.per_class)
        return split if self.share is None else sample(split, max(round(self.share * len(split)), 1), self.seed)

    def _of_each_class(self, split: Split, count: int) -> Split:
        order = np.random.default_rng(self.seed).permutation(len(split))
        rows = [order[split.labels[order] == label][:count] for label in np.unique(split.labels)]
        fewest = min(map(len, rows))
        if fewest < count:
            raise ConfigError(
                f"expected {count} images of each class in clean_valid, got {fewest} of one: set draw.per_class="
                f"{fewest}"
            )
        return Subset(split, np.sort(np.concatenate(rows)))
