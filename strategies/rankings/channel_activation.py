"""Channel pruning by mean activation (Liu, Dolan-Gavitt and Garg, "Fine-Pruning", RAID 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fineprune.checks import LayerName, checked
from fineprune.errors import ConfigError
from fineprune.network.step import Array
from fineprune.strategy import ChannelStrategy

if TYPE_CHECKING:
    from fineprune.data.split import Split
    from fineprune.network.network import Network


class ChannelActivation(ChannelStrategy):
    """Ranks the channels of `layers` by their mean over clean images, rows and columns at the layer `rank_at`.

    `rank_at="auto"` is the last pooling layer, `layers="auto"` the layer whose channels arrive there.
    """

    @checked("strategy")
    def __init__(self, rank_at: LayerName = "auto", **ranking: Any) -> None:
        super().__init__(**ranking)
        self.rank_at = rank_at

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        rank_at = network.last_pooling() if self.rank_at == "auto" else self.rank_at
        layers = [network.feeding(rank_at)] if self.layers == "auto" else network.layers(self.layers)
        means = network.mean_activation(rank_at, clean)
        for layer in layers:
            if (channels := network.unit(layer).channels) != len(means):
                raise ConfigError(
                    f"expected '{layer}' to have the {len(means)} channels of '{rank_at}', got {channels}"
                    ": set strategy.layers to layers that feed strategy.rank_at"
                )
        return dict.fromkeys(layers, means)
