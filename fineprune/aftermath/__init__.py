"""What may become of a net once it is deployed: `conf/aftermath` chooses what the nets of a sweep are put through."""

from fineprune.aftermath.base import Aftermath

__all__ = ["Aftermath"]
