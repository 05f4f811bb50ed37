"""Where a network can be pruned: its layers with channels, its batch normalisations, and what feeds its pooling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import tf_keras as keras
from numpy.typing import NDArray

from fineprune.errors import ConfigError, NotApplicable, some
from fineprune.network import graph
from fineprune.network.unit import WEIGHTED, Unit, UnitWeights, is_norm

# Zhu and Gupta, and tfmot, leave depthwise kernels alone: they are few weights, of which each counts.
KERNELS = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv2DTranspose)


class Places:
    """The places of `model`, whose graph holds no networks.

    `units` are the layers whose channels can be pruned by zeros in weights, from input to output, `norms` the batch
    normalisations, whose γ can be scaled. `unit` returns any other place with channels too.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    @cached_property
    def units(self) -> Mapping[str, Unit]:
        """The layers whose channels can be pruned by zeros in weights, by name, from input to output."""
        *hidden, _ = self._weighted or [None]  # the last one's channels are the classes
        units = [Unit.at(self.model, node) for node in hidden if not graph.is_shared(self.model, node.layer)]
        return {unit.layer: unit for unit in units if unit.weighted}

    @cached_property
    def norms(self) -> Sequence[str]:
        """The names of the batch normalisations, from input to output."""
        nodes = [node for node in graph.calls(self.model) if is_norm(node.layer)]
        return [node.layer.name for node in nodes if not graph.is_shared(self.model, node.layer)]

    @cached_property
    def _weighted(self) -> list[Any]:
        return [node for node in graph.calls(self.model) if type(node.layer) in WEIGHTED]

    @property
    def classifier(self) -> str:
        """The name of the last layer with a kernel, whose channels are classes; raises NotApplicable where none has."""
        if not self._weighted:
            raise NotApplicable("expected a network with a layer that classifies, got none: take another one")
        return str(self._weighted[-1].layer.name)

    def weights(self, unit: str) -> UnitWeights:
        """What the channels of one of `units` are made of; raises ConfigError where there is none of that name."""
        if unit not in self.units:
            raise ConfigError(
                f"expected the name of a unit, one of {some(self.units)}, got {unit!r}: name one of those"
            )
        layer = self.model.get_layer(unit)
        kernel, *bias = layer.get_weights()[WEIGHTED[type(layer)] :]
        norms = [norm for norm in map(self.model.get_layer, self.units[unit].followers) if is_norm(norm)]
        if not norms:
            return UnitWeights(kernel, *bias)
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        values = [None if (one := getattr(norms[0], name)) is None else one.numpy() for name in names]
        return UnitWeights(kernel, bias[0] if bias else None, norms[0].name, *values)

    def kernels(self, dense_only: bool) -> dict[str, NDArray[np.float32]]:
        """The kernels of the dense layers, or of convolutions too, from input to output, the last one's too.

        Those of depthwise and separable convolutions are not among them.
        """
        kinds = KERNELS[:1] if dense_only else KERNELS
        layers = {node.layer.name: node.layer for node in graph.calls(self.model) if type(node.layer) in kinds}
        return {name: layer.get_weights()[0] for name, layer in layers.items()}

    @property
    def convolutions(self) -> dict[str, NDArray[np.float32]]:
        """The kernels of the `Conv2D`, (height, width, inputs, filters), from input to output."""
        layers = [node.layer for node in graph.calls(self.model) if type(node.layer) is keras.layers.Conv2D]
        return {layer.name: layer.get_weights()[0] for layer in layers if not graph.is_shared(self.model, layer)}

    def trainable(self, dense_only: bool) -> list[str]:
        """The names of the layers that train: the dense ones, or all. Raises NotApplicable where there are none."""
        trainable = list(self.kernels(dense_only)) if dense_only else [layer.name for layer in self.model.layers]
        if not trainable:
            raise NotApplicable("expected a network with dense layers to train, got none: let all layers train")
        return trainable

    def layers(self, choice: str | Sequence[str]) -> list[str]:
        """The layers to prune, by name.

        `auto` is the one that feeds the last pooling, `all` are all `units`, and `convolutions` those of them that are
        `Conv2D`. Raises ConfigError for a wrong name, NotApplicable where the network has none.
        """
        if choice == "auto":
            return [self.feeding(self.last_pooling())]
        if choice in ("all", "convolutions"):
            chosen = [unit for unit in self.units if choice == "all" or unit in self.convolutions]
            if not chosen:
                kind = "prunable layers" if choice == "all" else "convolutions"
                raise NotApplicable(f"expected a network with {kind}, got none: set strategy.layers")
            return chosen
        return [self.unit(name).layer for name in ([choice] if isinstance(choice, str) else choice)]

    def activated(self, choice: str | Sequence[str]) -> list[str]:
        """The layers whose activations to cap: the last before the last pooling (`auto`), all (`all`), or those named.

        Each is an activation, or has one; those of the classifier, and behind it, are no choice. Raises ConfigError for
        a wrong name, NotApplicable where the network has none.
        """
        if choice not in ("auto", "all"):
            return self.layers(choice)
        nodes = list(graph.calls(self.model))
        last = self.last_pooling() if choice == "auto" else (self._weighted or nodes)[-1].layer.name
        before = nodes[: [node.layer.name for node in nodes].index(last)]
        units = [self.unit(node.layer.name) for node in before if graph.activates(node.layer) and self._is_once(node)]
        names = list({unit.end: unit.layer for unit in units}.values())
        if not names:
            raise NotApplicable("expected a network with activations to cap, got none: take another strategy")
        return names[-1:] if choice == "auto" else names

    def _is_once(self, node: Any) -> bool:
        return not graph.is_shared(self.model, node.layer)

    def norm_layers(self, choice: str | Sequence[str]) -> list[str]:
        """The batch normalisations to prune: those of `layers(choice)`, or all.

        That of a layer is itself or the first one behind it. Raises NotApplicable where the network has none.
        """
        if not self.norms:
            raise NotApplicable(
                "expected a network with batch normalisation to prune, got one without: take another strategy"
            )
        return list(self.norms) if choice == "all" else [self._norm_of(name) for name in self.layers(choice)]

    def _norm_of(self, layer: str) -> str:
        for name in (layer, *self.unit(layer).followers):
            if name in self.norms:
                return name
        raise NotApplicable(
            f"expected a batch normalisation behind '{layer}', got none: set strategy.layers to all, or to some of "
            f"{some(self.norms)}"
        )

    def last_pooling(self) -> str:
        """The name of the last pooling layer before the classifier, the last layer with a kernel.

        Where a pooling layer stands only behind it, and so pools classes, the layer that feeds the classifier. Raises
        NotApplicable where there is none at all.
        """
        nodes = list(graph.calls(self.model))
        before = nodes[: nodes.index(self._weighted[-1])] if self._weighted else nodes
        if poolings := [node for node in before if isinstance(node.layer, graph.POOLINGS)]:
            return str(poolings[-1].layer.name)
        feeding = None
        if any(isinstance(node.layer, graph.POOLINGS) for node in nodes):
            feeding = graph.producer(self.model, self._weighted[-1].keras_inputs[0])
        if feeding is None:
            raise NotApplicable(
                "expected a network with a pooling layer to rank channels at, got none: set strategy.rank_at"
            )
        return str(feeding.layer.name)

    def feeding(self, layer: str) -> str:
        """The name of the layer to prune so that channels of what arrives at `layer` are zero.

        That is a unit, where layers between it and `layer` pass its zeros; else the first of these layers, from
        `layer` on towards the input, that others than the next one read too, or that passes no zeros itself.
        """
        by_end = {name: unit for unit in self.units.values() for name in (unit.layer, *unit.followers)}
        node = self._call(layer)
        while node.layer.name not in by_end and graph.passes_zeros(node.layer):
            before = graph.producer(self.model, node.keras_inputs[0])
            if before is None or graph.is_shared(self.model, before.layer):
                break
            if before.layer.name not in by_end and len(graph.consumers(self.model, node.keras_inputs[0])) > 1:
                break
            node = before
        return by_end[node.layer.name].layer if node.layer.name in by_end else str(node.layer.name)

    def _call(self, layer: str) -> Any:
        try:
            return graph.call_of(self.model, layer)
        except StopIteration:
            names = some(node.layer.name for node in graph.calls(self.model))
            raise ConfigError(
                f"expected the name of a layer, one of {names}, got {layer!r}: name one of those"
            ) from None

    def unit(self, layer: str) -> Unit:
        """The channels that `layer` emits; raises ConfigError where there is no such layer, or it cannot be pruned."""
        if layer in self.units:
            return self.units[layer]
        node = self._call(layer)
        classifier = self._weighted[-1].layer if self._weighted else None
        several = len(graph.outputs(node)) > 1 or len(graph.outputs(node)[0].shape) < 2
        if several or node.layer is classifier or graph.is_shared(self.model, node.layer):
            raise ConfigError(
                f"expected the name of a prunable layer, one of {some(self.units)}, got {layer!r}: name one of those"
            )
        return Unit.at(self.model, node)
