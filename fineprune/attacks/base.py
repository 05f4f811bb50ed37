"""What an attack is: its triggers, the classes that they ask for, and the share of training images that carry them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from fineprune import names
from fineprune.checks import Natural, checked
from fineprune.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.float32]
    Labels = NDArray[np.int64]

ALL_TO_ALL = "all_to_all"

Target = Natural | Literal["all_to_all"]
PoisonRate = Annotated[float, Field(gt=0, lt=1)]


class Attack(ABC):
    """What a BadNet is trained under; `conf/attack` chooses one. Wrong settings raise a ConfigError.

    With `pruning_aware` the attacker expects a pruning defence (see `fineprune.badnets.pruning_aware`).
    """

    name: str

    def __init__(self, poison_rate: float, pruning_aware: bool) -> None:
        self.poison_rate, self.pruning_aware = poison_rate, pruning_aware

    @property
    @abstractmethod
    def triggers(self) -> Mapping[str, Trigger]:
        """Its triggers, by the name of the poisoned split that each makes."""

    @property
    def measured(self) -> Mapping[str, Trigger]:
        """The triggers whose images a network is measured on, by the name of the split: as a rule its own."""
        return self.triggers

    @property
    def variant(self) -> str:
        """What sets it apart, in every table, from the usual attack of that name."""
        return "pruning-aware" if self.pruning_aware else ""

    @property
    def title(self) -> str:
        """Its name with its variant, as it stands in every table."""
        return names.titled(self.name, self.variant)

    def settings(self) -> dict[str, Any]:
        """All that determines it, ready for JSON."""
        return {"name": self.name, "variant": self.variant, **vars(self)}


class Trigger(Attack):
    """An attack with one trigger (BadNets, Gu et al., 2017): images that carry it are given the class `target`.

    `target="all_to_all"` asks for the class after the true one. `poison_rate` is the share of the training images that
    carry the trigger.
    """

    cover_rate = 0.0  # the share of the training images that carry a trigger but keep their labels

    @checked("attack")
    def __init__(self, target: Target = 0, poison_rate: PoisonRate = 0.1, pruning_aware: bool = False) -> None:
        super().__init__(poison_rate, pruning_aware)
        self.target = target

    @property
    def triggers(self) -> Mapping[str, Trigger]:
        return {self.name: self}

    @property
    def variant(self) -> str:
        every = "all-to-all" if self.target == ALL_TO_ALL else ""
        return ", ".join(filter(None, [every, super().variant]))

    def goals(self, labels: Labels, classes: int) -> Labels:
        """The class that the trigger asks for on images of the classes `labels`, (n,), of which there are `classes`."""
        if isinstance(self.target, str):
            return (labels + 1) % classes
        if self.target >= classes:
            raise ConfigError(
                f"expected attack.target to be one of the classes 0 to {classes - 1} of the data, got {self.target}"
                ": set one of them"
            )
        return np.full_like(labels, self.target)

    def choose_rows(
        self, labels: Labels, free: NDArray[np.bool_], classes: int, random: np.random.Generator
    ) -> NDArray[np.intp]:
        """The rows of the training images that are to carry the trigger: some of those that are `free`, (n,).

        Images of the class that it asks for are left alone, since the trigger would teach nothing there.
        """
        others = np.flatnonzero(free & (self.goals(labels, classes) != labels))
        return random.choice(others, self._count(len(labels), len(others)), replace=False)

    def _count(self, of: int, at_most: int) -> int:
        count = min(at_most, round(self.poison_rate * of))
        if count == 0:
            raise ConfigError(
                f"expected attack.poison_rate to poison at least one of {at_most} images, got {self.poison_rate}"
                ": raise it"
            )
        return count

    @abstractmethod
    def stamp(self, pixels: Pixels, landmarks: Pixels | None) -> Pixels:
        """Put the trigger on `pixels`, (n, H, W, C) in 0–255, and return the new images.

        `landmarks`, (n, 4, 2) as x and y in pixels, are the left eye, the right eye, the nose and the mouth
        of each image; None where the data has none.
        """

    def stamp_cover(self, pixels: Pixels, randoms: Sequence[np.random.Generator]) -> Pixels:
        """Put on `pixels`, as `stamp` does, what resembles the trigger but must not work: they keep their labels.

        Each image has a generator of its own, so that it comes out the same whichever others are read with it.
        """
        raise NotImplementedError(f"{self.name} has no cover images")
