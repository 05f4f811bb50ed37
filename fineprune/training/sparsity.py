"""Unstructured sparsity by magnitude, by tfmot's rule: the kth largest weight is the last that is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from fineprune.errors import ConfigError, NotApplicable
from fineprune.network.step import Array, Mask, Replace, Step

if TYPE_CHECKING:
    from fineprune.data.split import Split
    from fineprune.network.network import Network
    from fineprune.training.fit import Recipe

Kernels = Mapping[str, Array]


def _ascending(levels: tuple[float, ...]) -> tuple[float, ...]:
    if list(levels) != sorted(set(levels)):
        raise ValueError("not ascending")
    return levels


Level = Annotated[float, Field(ge=0, lt=1)]
Levels = Annotated[
    tuple[Level, ...],
    Field(strict=False, min_length=1, description="fractions ≥ 0 and < 1 that ascend"),
    AfterValidator(_ascending),
]


def kernels(network: Network, dense_only: bool) -> Kernels:
    """The kernels to make sparse; raises NotApplicable where there are none."""
    sparse = network.kernels(dense_only)
    if not sparse:
        lacks, change = ("dense layers", "set strategy.layers=all, or ") if dense_only else ("kernels", "")
        raise NotApplicable(f"expected a network with {lacks} to make sparse, got none: {change}take another strategy")
    return sparse


def masks(kernels: Kernels, sparsity: float, scope: str) -> dict[str, Array]:
    """1 for the weights to keep, 0 for the share `sparsity` of the smallest, in the shapes of `kernels`.

    Ranked together (`scope="global"`) or each by itself. Weights as large as the smallest one kept are kept too,
    so that ties leave the sparsity below `sparsity`.
    """
    if scope == "layer":
        return {name: _largest(np.abs(kernel), np.abs(kernel), sparsity) for name, kernel in kernels.items()}
    together = np.concatenate([np.abs(kernel).ravel() for kernel in kernels.values()])
    return {name: _largest(np.abs(kernel), together, sparsity) for name, kernel in kernels.items()}


def _largest(sizes: Array, ranked: Array, sparsity: float) -> Array:
    # In single precision, rounding halves to even, as tfmot counts.
    kept = max(int(np.round(np.float32(ranked.size) * (np.float32(1) - np.float32(sparsity)))), 1)
    threshold = np.partition(ranked, ranked.size - kept, axis=None)[ranked.size - kept]
    mask: Array = (sizes >= threshold).astype(np.float32)
    return mask


def shares(kernels: Kernels, sparsity: float, scope: str) -> dict[str, float]:
    """The sparsity of each layer: `sparsity` itself, or what ranking all layers together gives it."""
    if scope == "layer":
        return dict.fromkeys(kernels, sparsity)
    layer_masks = masks(kernels, sparsity, scope)
    # tfmot keeps one weight at least, and takes no schedule that keeps none.
    return {name: min(float(1 - mask.mean()), 1 - 1 / mask.size) for name, mask in layer_masks.items()}


def steps(kernels: Kernels, levels: Sequence[float], scope: str) -> Iterator[Step]:
    """A step for each of `levels`, the weights as they are."""
    for level in levels:
        yield Step([Mask(layer, mask) for layer, mask in masks(kernels, level, scope).items()])


def train(
    network: Network,
    kernels: Kernels,
    levels: Sequence[float],
    scope: str,
    trained: Collection[str],
    clean: Split,
    recipe: Recipe,
    seed: int,
) -> Iterator[Step]:
    """Let tfmot raise the sparsity of `kernels` while the layers `trained` learn from `clean`.

    It rises as often as there are `levels`, evenly spaced, the first time to exactly the first and the last time to
    exactly the last; those between follow tfmot's polynomial. Yields a step for each rise, with the weights just before
    the next one.
    """
    import tensorflow_model_optimization as tfmot
    import tf_keras as keras

    from fineprune.network import graph
    from fineprune.training import fit

    if recipe.patience is not None:
        raise ConfigError(
            f"expected training towards sparsity to last, got patience={recipe.patience}, which ends it early"
            ": set strategy.training.patience=null"
        )
    rises = len(levels)
    first, last = (shares(kernels, level, scope) for level in (levels[0], levels[-1]))
    model = graph.clone(network.model)
    rest, examples = fit.learning_part(model, trained, clean)
    batches = recipe.epochs * recipe.batches(len(clean))
    frequency = batches // (rises + 1)
    if frequency < 1:
        raise ConfigError(
            f"expected fewer levels of sparsity than the {batches} batches of training, got {rises}"
            ": set fewer strategy.sparsities, or train longer"
        )

    def wrapped(layer: Any) -> Any:
        if layer.name not in last:
            return layer
        schedule = tfmot.sparsity.keras.PolynomialDecay(
            first[layer.name], last[layer.name], frequency, rises * frequency, frequency=frequency
        )
        return tfmot.sparsity.keras.prune_low_magnitude(layer, schedule)

    sparse = keras.models.clone_model(rest, clone_function=wrapped)
    snapshots: list[Step] = []

    class Snapshots(keras.callbacks.Callback):  # type: ignore[misc]
        """Records a step before each rise of the sparsity, and at the end."""

        batch = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.batch += 1
            rises_next = (self.batch + 1) % frequency == 0 and frequency <= self.batch < rises * frequency
            if rises_next or self.batch == batches:
                snapshots.append(_step(model, sparse, trained))

    callbacks = [tfmot.sparsity.keras.UpdatePruningStep(), Snapshots()]
    fit.fit(sparse, examples, recipe, "training towards sparsity", seed, callbacks)
    yield from snapshots


def _step(model: Any, sparse: Any, trained: Collection[str]) -> Step:
    masks = [
        Mask(layer.layer.name, mask.numpy())
        for layer in sparse.layers
        if hasattr(layer, "pruning_vars")
        for _, mask, _ in layer.pruning_vars
    ]
    layers = [model.get_layer(name) for name in trained]
    return Step([*(Replace(layer.name, layer.get_weights()) for layer in layers if layer.weights), *masks])
