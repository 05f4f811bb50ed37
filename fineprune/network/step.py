"""One amount of pruning: the edits that make a pruned net of the untouched BadNet.

`fineprune.network.pruning` says what each edit does to a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fineprune.names import FRACTION_PRUNED

Array = NDArray[Any]


@dataclass(frozen=True)
class Factors:
    """An edit that multiplies something of `layer`; what is multiplied by 0 counts as pruned."""

    layer: str
    factors: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", np.asarray(self.factors))


@dataclass(frozen=True)
class Silence(Factors):
    """Multiplies what each channel of `layer` emits by `factors`, (channels,): 0 silences it, 1 keeps it."""

    @property
    def is_hard(self) -> bool:
        """Whether all factors are 0 or 1."""
        return bool(np.isin(self.factors, (0, 1)).all())


@dataclass(frozen=True)
class Scale(Factors):
    """Multiplies the γ of the batch normalisation `layer` by `factors`, (channels,), and keeps its β.

    A channel whose γ is 0 emits the constant β: ANP, RNP, EP and BNP prune so in their authors' code.
    """


@dataclass(frozen=True)
class Mask(Factors):
    """Multiplies the kernel of `layer` by `factors`, of its shape: 0 prunes a weight, 1 keeps it."""


@dataclass(frozen=True)
class Replace:
    """Gives `layer` new `weights`, as Keras orders them."""

    layer: str
    weights: Sequence[Array]


@dataclass(frozen=True)
class Cap:
    """Limits what each channel of `layer` emits to `caps`, (channels,), each 0 or above; ∞ is no limit."""

    layer: str
    caps: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "caps", np.asarray(self.caps))


Edit = Silence | Scale | Mask | Replace | Cap
Kind = TypeVar("Kind", bound=Edit)


@dataclass(frozen=True)
class Step:
    """A pruned net, described relative to the untouched network, so that it can be rebuilt alone.

    `edits` holds at most one of each kind a layer; weights are replaced before they are masked or scaled, and outputs
    capped before they are silenced. Edits whose factors are all 1 count toward `total`: naming in every step all that
    the strategy may prune makes shares comparable. `amount` is how far the strategy goes, by the name `amount_name`;
    where none is given, the share pruned.
    """

    edits: Sequence[Edit] = ()
    amount: float = field(default=float("nan"))
    amount_name: str = FRACTION_PRUNED

    def __post_init__(self) -> None:
        if self.amount_name == FRACTION_PRUNED:
            object.__setattr__(self, "amount", self.fraction)

    def of(self, kind: type[Kind]) -> dict[str, Kind]:
        """The edits of one kind, by layer."""
        return {edit.layer: edit for edit in self.edits if isinstance(edit, kind)}

    @property
    def pruned(self) -> int:
        """How many channels and weights are multiplied by 0."""
        return sum(int(np.count_nonzero(factors == 0)) for factors in self._factors)

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(factors.size for factors in self._factors)

    @property
    def fraction(self) -> float:
        """The share of them that is multiplied by 0; 0 where there are none."""
        return self.pruned / self.total if self.total else 0.0

    @property
    def _factors(self) -> list[Array]:
        return [edit.factors for edit in self.edits if isinstance(edit, Factors)]
