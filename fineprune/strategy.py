"""What a strategy is: a series of steps, each of which says what is kept of the untouched BadNet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fineprune import limits
from fineprune.errors import ConfigError, NotApplicable

if TYPE_CHECKING:
    from fineprune.network import Network
    from fineprune.splits import Split

Array = NDArray[Any]


@dataclass(frozen=True)
class Step:
    """One amount of pruning, relative to the untouched network.

    `keep[layer]` has shape (channels,), or that of the layer's kernel: 1 keeps, 0 prunes. It names every layer
    that the strategy may prune, so that `total` is the same at every step. `weights[layer]`, where a strategy
    trains, are the layer's new weights, as Keras orders them.
    """

    keep: Mapping[str, Array]
    weights: Mapping[str, Sequence[Array]] = field(default_factory=dict)

    @property
    def pruned(self) -> int:
        """How many channels or weights are pruned."""
        return sum(int(np.count_nonzero(mask == 0)) for mask in self.keep.values())

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(mask.size for mask in self.keep.values())


class Strategy(ABC):
    """A pruning defence. It sees the network and clean validation images, and changes neither.

    `trains` tells that it fits weights to those images, so that a budget has to be measured on others. `variant` tells
    apart, in every table, settings that make another strategy of it.
    """

    trains = False
    variant = ""

    @abstractmethod
    def steps(self, network: Network, clean: Split) -> Iterator[Step]:
        """From least to most pruned. Raises NotApplicable where the network lacks what the strategy needs."""


class ChannelStrategy(Strategy):
    """Prunes the channels with the lowest scores first, `chunk` of them a step; of equal scores the first."""

    def __init__(self, chunk: int = 1) -> None:
        if isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1:
            raise ConfigError(f"expected strategy.chunk to be a whole number from 1, got {chunk!r}: set such a number")
        self.chunk = chunk

    @abstractmethod
    def scores(self, network: Network, clean: Split) -> Mapping[str, Array]:
        """A score for each channel, (channels,), of each layer to prune."""

    def steps(self, network: Network, clean: Split) -> Iterator[Step]:
        scores = self.scores(network, clean)
        ranked = np.argsort(np.concatenate(list(scores.values())), kind="stable")
        ends = np.cumsum([len(score) for score in scores.values()])
        if len(ranked) ** 2 > self.chunk * limits.MASKS:
            raise NotApplicable(
                f"expected at most {limits.MASKS:,} channels times steps, got {len(ranked):,} channels: set "
                f"strategy.chunk={-(-(len(ranked) ** 2) // limits.MASKS)}"
            )
        keep = np.ones(len(ranked), np.float32)
        for start in range(0, len(ranked), self.chunk):
            keep[ranked[start : start + self.chunk]] = 0
            yield Step(dict(zip(scores, np.split(keep.copy(), ends[:-1]), strict=True)))
