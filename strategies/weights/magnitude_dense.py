"""Magnitude sparsity (Zhu and Gupta, "To prune, or not to prune", 2017), on dense layers or on all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from fineprune.checks import Natural, call
from fineprune.data.split import Split
from fineprune.errors import ConfigError
from fineprune.network.network import Network
from fineprune.network.step import Step
from fineprune.strategy import LABELS, NOTHING, Strategy
from fineprune.training import sparsity
from fineprune.training.fit import Recipe


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

    sparsities: sparsity.Levels
    scope: Literal["global", "layer"]
    layers: Literal["dense", "all"]
    train: Literal["none", "tfmot"]
    training: Mapping[str, Any]
    seed: Natural

    def __post_init__(self) -> None:
        self.dense_only, self.trains = self.layers == "dense", self.train == "tfmot"
        if self.trains and len(self.sparsities) < 2:
            raise ConfigError(
                "expected strategy.sparsities to be two or more for tfmot to rise between, got "
                f"{list(self.sparsities)}: set the first and the last"
            )
        self.recipe = call("strategy.training", Recipe, **self.training)
        self.needs = LABELS if self.trains else NOTHING
        also = ["all layers"] * (not self.dense_only) + ["tfmot"] * self.trains
        self.variant = ", ".join([self.scope, *also])

    def steps(self, network: Network, clean: Split, **oracle: Any) -> Iterator[Step]:
        kernels = sparsity.kernels(network, self.dense_only)
        if not self.trains:
            return sparsity.steps(kernels, self.sparsities, self.scope)
        trained = network.trainable(self.dense_only)
        return sparsity.train(network, kernels, self.sparsities, self.scope, trained, clean, self.recipe, self.seed)
