"""Unstructured sparsity by magnitude, by tfmot's rule: the kth largest weight is the last that is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fineprune.errors import ConfigError
from fineprune.strategy import Array, Step

if TYPE_CHECKING:
    from fineprune.fitting import Recipe
    from fineprune.network import Network
    from fineprune.splits import Split

Kernels = Mapping[str, Array]


def check(sparsities: Sequence[Any]) -> list[float]:
    """`sparsities` as a list; raises ConfigError unless they are ascending fractions in [0, 1)."""
    for level in sparsities:
        if isinstance(level, bool) or not isinstance(level, int | float) or not 0 <= level < 1:
            raise ConfigError(
                f"expected strategy.sparsities to be fractions from 0 to below 1, got {level!r}: divide percent by 100"
            )
    if not sparsities or list(sparsities) != sorted(set(sparsities)):
        raise ConfigError(
            f"expected strategy.sparsities to be some ascending fractions, got {list(sparsities)}"
            ": list them from the least to the most"
        )
    return [float(level) for level in sparsities]


def masks(kernels: Kernels, sparsity: float, scope: str) -> dict[str, Array]:
    """1 for the weights to keep, 0 for the share `sparsity` of the smallest, in the shapes of `kernels`.

    Ranked together (`scope="global"`) or each by itself. Weights as large as the smallest one kept are kept too,
    so that ties leave the sparsity below what was asked for.
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
    found = masks(kernels, sparsity, scope)
    # tfmot keeps one weight at least, and takes no schedule that keeps none.
    return {name: min(float(1 - mask.mean()), 1 - 1 / mask.size) for name, mask in found.items()}


def train(
    network: Network,
    first: Mapping[str, float],
    last: Mapping[str, float],
    trained: Collection[str],
    clean: Split,
    recipe: Recipe,
    rises: int,
    seed: int,
) -> Iterator[Step]:
    """Let tfmot raise each layer's sparsity from `first` to `last` while the layers `trained` learn from `clean`.

    There are `rises` of it, evenly spaced, the first to exactly `first` and the last to exactly `last`; the levels
    between them follow tfmot's polynomial. A step for each, with the weights as they are before the next one comes.
    """
    import tensorflow_model_optimization as tfmot
    import tf_keras as keras

    from fineprune import fitting, graph

    images, labels = fitting.in_memory(clean)
    order = np.random.default_rng(seed).permutation(len(labels))
    model = graph.clone(network.model)
    rest, features = fitting.learning_part(model, trained, images[order])
    batches = recipe.epochs * recipe.batches(len(labels))
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
    taken: list[Step] = []

    class Snapshots(keras.callbacks.Callback):  # type: ignore[misc]
        """Takes down a step before each rise of the sparsity, and at the end."""

        batch = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.batch += 1
            rises_next = (self.batch + 1) % frequency == 0 and frequency <= self.batch < rises * frequency
            if rises_next or self.batch == batches:
                taken.append(_step(model, sparse, trained))

    callbacks = [tfmot.sparsity.keras.UpdatePruningStep(), Snapshots()]
    fitting.fit(sparse, features, labels[order], recipe, "training towards sparsity", seed, callbacks)
    yield from taken


def _step(model: Any, sparse: Any, trained: Collection[str]) -> Step:
    keep = {
        layer.layer.name: mask.numpy()
        for layer in sparse.layers
        if hasattr(layer, "pruning_vars")
        for _, mask, _ in layer.pruning_vars
    }
    weights = {name: model.get_layer(name).get_weights() for name in trained if model.get_layer(name).weights}
    return Step(keep, weights)
