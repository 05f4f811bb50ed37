"""Channel pruning by mean activation (Liu, Dolan-Gavitt and Garg, "Fine-Pruning", RAID 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fineprune.checks import LayerName
from fineprune.data.split import Split
from fineprune.errors import ConfigError
from fineprune.network.network import Network
from fineprune.network.step import Array
from fineprune.strategy import ChannelStrategy


class ChannelActivation(ChannelStrategy):
    """Ranks the channels of `layers` by their mean over clean images, rows and columns at the layer `rank_at`.

    `layers="auto"` is the layer whose channels arrive at `rank_at`, and `rank_at="auto"` the last pooling layer. Layers
    whose channels do not arrive there are then ranked by what they emit themselves, behind their activation.
    """

    rank_at: LayerName = "auto"

    def scores(self, network: Network, clean: Split, **oracle: Any) -> Mapping[str, Array]:
        places = self._places(network)
        means = {place: network.mean_activation(place, clean) for place in dict.fromkeys(places.values())}
        for layer, place in places.items():
            if (channels := network.unit(layer).channels) != len(means[place]):
                raise ConfigError(
                    f"expected '{layer}' to have the {len(means[place])} channels of '{place}', got {channels}"
                    ": set strategy.layers to layers that feed strategy.rank_at"
                )
        return {layer: means[place] for layer, place in places.items()}

    def ranked_at(self, network: Network) -> Mapping[str, str]:
        return {layer: place for layer, place in self._places(network).items() if place != layer}

    def _places(self, network: Network) -> dict[str, str]:
        """Where the channels of each layer that is pruned are ranked."""
        rank_at = network.last_pooling() if self.rank_at == "auto" else self.rank_at
        feeding = network.feeding(rank_at)
        layers = [feeding] if self.layers == "auto" else network.layers(self.layers)
        own = self.rank_at == "auto"
        return {layer: network.unit(layer).end if own and layer != feeding else rank_at for layer in layers}
