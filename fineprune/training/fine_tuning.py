"""Fine-tuning a pruned net on clean images: what every way of it has in common. One file each stands in `tuning/`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import tf_keras as keras

from fineprune.data.split import Split
from fineprune.network import graph, pruning
from fineprune.network.network import Network
from fineprune.network.step import Step


class FineTuning(ABC):
    """What `conf/finetune` chooses: how a pruned net is trained further on clean images.

    - `title` names it in every table, as in `channel_activation + FT-SAM`.
    - `hold` keeps at zero what was pruned; otherwise zeros in weights may regrow.
    - `trial` are cheap settings, in which the tests try it.
    """

    title: ClassVar[str]
    trial: ClassVar[Mapping[str, Any]] = {}
    hold: bool = True

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.title if self.hold else f"{self.title}, not held"

    def check(self, network: Network, images: int) -> None:
        """Raise NotApplicable where `network` cannot be trained so, ConfigError where so many images are too few."""
        _ = network.logits

    @abstractmethod
    def train(self, model: keras.Model, network: Network, clean: Split, seed: int, what: str) -> None:
        """Train `model`, the pruned net of `network`, in place. The same `seed` gives the same weights."""

    def tune(self, network: Network, step: Step, clean: Split, seed: int, what: str) -> keras.Model:
        """The pruned net of `step`, trained further on `clean`; `what` names the work on the progress bar."""
        result = network.pruned(step)
        model = hold_zeros(result, network, step) if self.hold else graph.clone(result)
        model.trainable = True
        self.train(model, network, clean, seed, what)
        for layer in result.layers:
            layer.set_weights(model.get_layer(layer.name).get_weights())
        return result


def hold_zeros(net: keras.Model, network: Network, step: Step) -> keras.Model:
    """A copy of `net`, the pruned net that `step` makes of `network`; what is pruned stays zero while it trains."""
    return graph.clone(net, pruning.constraints(network, step))
