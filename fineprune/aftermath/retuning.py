"""The retuning attack (Min et al., "Uncovering, Explaining, and Mitigating the Superficial Safety of Backdoor Defense",
NeurIPS 2024): a few poisoned images among clean ones bring back what a defence has only put to sleep.
"""

from __future__ import annotations

from typing import Any

from fineprune.aftermath.clean_retuning import CleanRetuning
from fineprune.checks import Count, checked


class Retuning(CleanRetuning):
    """The attacker after the defence: trains all weights by SGD on a few clean images and `poisoned` of a trigger.

    Sees poisoned images, on purpose: it asks how much of the backdoor is left to be woken.
    """

    title = "retuning"

    @checked("aftermath.retuning")
    def __init__(self, poisoned: Count = 5, **sgd: Any) -> None:
        super().__init__(**sgd)
        self.poisoned = poisoned
