"""The attacks that the framework can plant in a network."""

from fineprune.attacks.base import Attack, Trigger
from fineprune.attacks.blend import Blend
from fineprune.attacks.clean import Clean
from fineprune.attacks.eyebrows import Eyebrows
from fineprune.attacks.lipstick import Lipstick
from fineprune.attacks.multi_trigger import MultiTriggerMultiTarget
from fineprune.attacks.patch import Patch
from fineprune.attacks.sinusoidal import Sinusoidal
from fineprune.attacks.sunglasses import Sunglasses
from fineprune.attacks.warp import Warp

__all__ = [
    "Attack",
    "Blend",
    "Clean",
    "Eyebrows",
    "Lipstick",
    "MultiTriggerMultiTarget",
    "Patch",
    "Sinusoidal",
    "Sunglasses",
    "Trigger",
    "Warp",
]
