"""The control: a network without a backdoor."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Annotated, Any

from pydantic import Field

from fineprune.attacks.base import Attack, Trigger
from fineprune.attacks.blend import Blend
from fineprune.attacks.eyebrows import Eyebrows
from fineprune.attacks.lipstick import Lipstick
from fineprune.attacks.patch import Patch
from fineprune.attacks.sinusoidal import Sinusoidal
from fineprune.attacks.sunglasses import Sunglasses
from fineprune.attacks.warp import Warp
from fineprune.checks import Natural, checked
from fineprune.errors import ConfigError

KINDS: dict[str, type[Trigger]] = {
    kind.name: kind for kind in (Blend, Eyebrows, Lipstick, Patch, Sinusoidal, Sunglasses, Warp)
}


class Clean(Attack):
    """Nothing is poisoned: shows what a defence costs where there is nothing to remove.

    `measured` names triggers whose images are measured all the same, by the settings that they have if none is set
    and, where they are drawn, by `seed`: what they come to on a network that never saw them.
    """

    name = "clean"

    @checked("attack")
    def __init__(self, measured: Annotated[tuple[str, ...], Field(strict=False)] = (), seed: Natural = 0) -> None:
        super().__init__(poison_rate=0.0, pruning_aware=False)
        if unknown := [name for name in measured if name not in KINDS]:
            raise ConfigError(
                f"expected attack.measured to list triggers, of {', '.join(KINDS)}, got {unknown[0]!r}: list those"
            )
        self._measured = {name: _trigger(KINDS[name], seed) for name in measured}

    @property
    def triggers(self) -> Mapping[str, Trigger]:
        return {}

    @property
    def measured(self) -> Mapping[str, Trigger]:
        return self._measured

    def settings(self) -> dict[str, Any]:
        return {key: value for key, value in super().settings().items() if key != "_measured"}


def _trigger(kind: type[Trigger], seed: int) -> Trigger:
    return kind(seed=seed) if "seed" in signature(kind).parameters else kind()  # type: ignore[call-arg]
