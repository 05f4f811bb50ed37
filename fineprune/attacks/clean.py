"""The control: a network without a backdoor."""

from __future__ import annotations

from collections.abc import Mapping

from fineprune.attacks.base import Attack, Trigger


class Clean(Attack):
    """Nothing is poisoned: shows what a defence costs where there is nothing to remove."""

    name = "clean"

    def __init__(self) -> None:
        super().__init__(poison_rate=0.0, pruning_aware=False)

    @property
    def triggers(self) -> Mapping[str, Trigger]:
        return {}
