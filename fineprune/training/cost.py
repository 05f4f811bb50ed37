"""How much to let a penalty weigh: as much as accuracy allows, found while training."""

from __future__ import annotations

import numpy as np

from fineprune.network.step import Array


class CostSearch:
    """The values of the smallest size so far, `best`, that keep accuracy at `least`, and `cost`, the weight of size.

    The rule is that of Neural Cleanse (Wang et al., S&P 2019): the cost doubles after five values in a row that keep
    accuracy, and falls by 2^1.5 after five that do not; from below where it began, five that do bring it back there.
    """

    def __init__(self, best: Array, least: float, cost: float) -> None:
        self.best, self.cost = best, cost
        self._least, self._first, self._size = least, cost, np.inf
        self._kept = self._lost = 0

    def add(self, values: Array, size: float, accuracy: float) -> None:
        """Take into account `values` of this size and this accuracy."""
        keeps = accuracy >= self._least
        if keeps and size < self._size:
            self.best, self._size = values, size
        self._kept, self._lost = (self._kept + 1, 0) if keeps else (0, self._lost + 1)
        if self._kept == 5:
            self.cost, self._kept = 2 * self.cost if self.cost >= self._first else self._first, 0
        if self._lost == 5:
            self.cost, self._lost = self.cost / 2**1.5, 0
