"""Magnitude sparsity (Zhu and Gupta, "To prune, or not to prune", 2017), on dense layers or on all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from fineprune.checks import call, checked
from fineprune.errors import ConfigError
from fineprune.network.step import Step
from fineprune.strategy import LABELS, NOTHING, Strategy
from fineprune.training import sparsity
from fineprune.training.fit import Recipe

if TYPE_CHECKING:
    from fineprune.data.split import Split
    from fineprune.network.network import Network


class MagnitudeDense(Strategy):
    """Sets the smallest weights to zero, at each of `sparsities`, fractions of the kernels' weights.

    `layers="all"` prunes convolutions too, except depthwise and separable ones. `train="tfmot"` lets
    tensorflow-model-optimization raise the sparsity from the first to the last of `sparsities` while it trains.
    """

    trials = (
        {"scope": "global"},
        {"scope": "layer", "layers": "all"},
        {"scope": "layer", "train": "tfmot", "training": {"epochs": 1, "batch_size": 4, "learning_rate": 0.001}},
    )

    @checked("strategy")
    def __init__(
        self,
        sparsities: sparsity.Levels,
        scope: Literal["global", "layer"],
        layers: Literal["dense", "all"],
        train: Literal["none", "tfmot"],
        training: Mapping[str, Any],
        seed: int,
    ) -> None:
        self.sparsities, self.scope, self.seed = sparsities, scope, seed
        self.dense_only, self.trains = layers == "dense", train == "tfmot"
        if self.trains and len(sparsities) < 2:
            raise ConfigError(
                f"expected strategy.sparsities to be two or more for tfmot to rise between, got {list(sparsities)}"
                ": set the first and the last"
            )
        self.recipe = call("strategy.training", Recipe, **training)
        self.needs = LABELS if self.trains else NOTHING
        self.variant = ", ".join([scope, *([] if self.dense_only else ["all layers"]), *(["tfmot"] * self.trains)])

    def steps(self, network: Network, clean: Split, **oracle: Any) -> Iterator[Step]:
        kernels = sparsity.kernels(network, self.dense_only)
        if not self.trains:
            return sparsity.steps(kernels, self.sparsities, self.scope)
        trained = network.trainable(self.dense_only)
        return sparsity.train(network, kernels, self.sparsities, self.scope, trained, clean, self.recipe, self.seed)
