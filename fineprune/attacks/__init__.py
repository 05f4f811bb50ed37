"""The attacks that the framework can plant in a network."""

from fineprune.attacks.base import Attack
from fineprune.attacks.patch import Patch
from fineprune.attacks.sunglasses import Sunglasses

__all__ = ["Attack", "Patch", "Sunglasses"]
