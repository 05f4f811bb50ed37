"""Channel pruning by mean activation (Liu, Dolan-Gavitt and Garg, "Fine-Pruning", RAID 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fineprune.errors import ConfigError, NotApplicable
from fineprune.strategy import Array, ChannelStrategy

if TYPE_CHECKING:
    from fineprune.network import Network
    from fineprune.splits import Split


class ChannelActivation(ChannelStrategy):
    """Ranks the channels of `layers` by their mean over clean images, rows and columns at the layer `rank_at`.

    `rank_at="auto"` is the last pooling layer, `layers="auto"` the layer whose channels arrive there.
    """

    def __init__(self, rank_at: str = "auto", layers: str | Sequence[str] = "auto", chunk: int = 1) -> None:
        super().__init__(chunk)
        if not isinstance(rank_at, str):
            raise ConfigError(
                f"expected strategy.rank_at to be 'auto' or the name of a layer, got {rank_at!r}: set one of those"
            )
        self.rank_at = rank_at
        self.layers = [layers] if isinstance(layers, str) else list(layers)

    def scores(self, network: Network, clean: Split) -> Mapping[str, Array]:
        rank_at = network.last_pooling() if self.rank_at == "auto" else self.rank_at
        layers = [network.feeding(rank_at)] if self.layers == ["auto"] else self.layers
        means = network.mean_activation(rank_at, clean)
        for layer in layers:
            if (channels := network.unit(layer).channels) != len(means):
                raise NotApplicable(
                    f"expected '{layer}' to have the {len(means)} channels of '{rank_at}', got {channels}"
                    ": set strategy.layers to layers that feed strategy.rank_at"
                )
        return dict.fromkeys(layers, means)
