"""Magnitude sparsity (Zhu and Gupta, "To prune, or not to prune", 2017), on dense layers or on all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fineprune import sparsity
from fineprune.errors import ConfigError, NotApplicable
from fineprune.fitting import Recipe
from fineprune.strategy import Step, Strategy

if TYPE_CHECKING:
    from fineprune.network import Network
    from fineprune.splits import Split


class MagnitudeDense(Strategy):
    """Sets the smallest weights to zero, at each of `sparsities`, fractions of the kernels' weights.

    `scope="global"` ranks all kernels together, `"layer"` each by itself. `layers="dense"` prunes the dense layers,
    the last one included, `"all"` the convolutions too. `train="none"` takes the weights as they are, `"tfmot"` lets
    tensorflow-model-optimization raise the sparsity from the first to the last of `sparsities`, in as many rises, while
    it trains.
    """

    def __init__(
        self, sparsities: Sequence[float], scope: str, layers: str, train: str, training: dict[str, Any], seed: int
    ) -> None:
        choices = {
            "scope": (scope, ("global", "layer")),
            "layers": (layers, ("dense", "all")),
            "train": (train, ("none", "tfmot")),
        }
        for name, (value, known) in choices.items():
            if value not in known:
                raise ConfigError(
                    f"expected strategy.{name} to be one of {', '.join(known)}, got {value!r}: set one of those"
                )
        self.sparsities = sparsity.check(sparsities)
        self.scope, self.layers, self.trains, self.seed = scope, layers, train == "tfmot", seed
        if self.trains and len(self.sparsities) < 2:
            raise ConfigError(
                f"expected strategy.sparsities to be two or more for tfmot to rise between, got {self.sparsities}"
                ": set the first and the last"
            )
        self.recipe = Recipe(**training)
        extras = {"all layers": layers == "all", "tfmot": self.trains}
        self.variant = ", ".join([scope, *(extra for extra, given in extras.items() if given)])

    def steps(self, network: Network, clean: Split) -> Iterator[Step]:
        kernels = network.kernels(dense_only=self.layers == "dense")
        if not kernels:
            raise NotApplicable(
                "expected a network with dense layers to make sparse, got none"
                ": set strategy.layers=all, or take another strategy"
            )
        if self.trains:
            first, last = (sparsity.shares(kernels, self.sparsities[end], self.scope) for end in (0, -1))
            trained = network.trained(dense_only=self.layers == "dense")
            yield from sparsity.train(
                network, first, last, trained, clean, self.recipe, len(self.sparsities), self.seed
            )
        else:
            for level in self.sparsities:
                yield Step(sparsity.masks(kernels, level, self.scope))
