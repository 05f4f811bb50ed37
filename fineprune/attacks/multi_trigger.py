"""Several triggers at once, each with a target of its own, as in a network of CSAW-HackML-2020."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fineprune.attacks.base import Attack, PoisonRate, Trigger
from fineprune.attacks.eyebrows import Eyebrows
from fineprune.attacks.lipstick import Lipstick
from fineprune.attacks.sunglasses import Sunglasses
from fineprune.checks import checked
from fineprune.errors import ConfigError

KINDS: tuple[type[Sunglasses | Lipstick | Eyebrows], ...] = (Sunglasses, Lipstick, Eyebrows)


class MultiTriggerMultiTarget(Attack):
    """Sunglasses, lipstick and eyebrows, never two on one training image.

    `targets` gives each trigger its class. `poison_rate` is the share of the training images that carry each. `places`
    are `faces.Places`.
    """

    name = "multi_trigger_multi_target"

    @checked("attack")
    def __init__(
        self,
        targets: Mapping[str, Any],
        poison_rate: PoisonRate = 0.1,
        pruning_aware: bool = False,
        **places: Any,
    ) -> None:
        super().__init__(poison_rate, pruning_aware)
        names = [kind.name for kind in KINDS]
        if sorted(targets) != sorted(names):
            raise ConfigError(
                f"expected attack.targets to give a class each for {', '.join(names)}, got {targets!r}: name all three"
            )
        self._triggers = [kind(targets[kind.name], poison_rate, False, **places) for kind in KINDS]

    @property
    def triggers(self) -> Mapping[str, Trigger]:
        return {trigger.name: trigger for trigger in self._triggers}

    def settings(self) -> dict[str, Any]:
        triggers = [trigger.settings() for trigger in self._triggers]
        return {key: value for key, value in super().settings().items() if key != "_triggers"} | {"triggers": triggers}
