"""What each edit of a step means: to a network's layers, as gates in a sweep, and while a net is trained further.

| edit | in a pruned net | in a sweep | kept zero in training |
|---|---|---|---|
| Silence by 0 and 1, weighted unit | × kernel, bias, γ, β, mean | gate behind it and its pooling | kernel, bias, γ, β |
| Silence otherwise | Rescaling behind the unit | gate behind it | (not trained) |
| Cap | Minimum of the output and a constant | limit behind the unit | (not trained) |
| Mask | × kernel | new weights | kernel |
| Scale | × γ | new weights | γ |
| Replace | new weights | new weights | nothing |
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from fineprune.network import graph
from fineprune.network.places import Places
from fineprune.network.step import Array, Cap, Mask, Replace, Scale, Silence, Step
from fineprune.network.unit import WEIGHTED, Unit, is_norm

# Layers whose first weight a mask can multiply, and the entry of their config that holds its zeros.
MASKED = {
    keras.layers.Conv1D: "kernel_constraint",
    keras.layers.Conv2D: "kernel_constraint",
    keras.layers.Conv2DTranspose: "kernel_constraint",
    keras.layers.Dense: "kernel_constraint",
    keras.layers.DepthwiseConv2D: "depthwise_constraint",
    keras.layers.SeparableConv2D: "depthwise_constraint",
}


class Hold(keras.constraints.Constraint):  # type: ignore[misc]
    """Sets to zero, after each update of a training, the weights whose factor is 0."""

    def __init__(self, factors: Array) -> None:
        self.keep = tf.constant(np.asarray(factors) != 0)

    def __call__(self, weights: tf.Tensor) -> tf.Tensor:
        return tf.where(self.keep, weights, 0)


def pruned(network: Places, step: Step) -> keras.Model:
    """The pruned net that `step` makes of `network`: of Keras's own layers, which hold no code, and saved as such."""
    model = copied(network, lacking([step], network))
    for layer, weights in new_weights(network, step).items():
        model.get_layer(layer).set_weights(weights)
    inserted: dict[str, list[Callable[[Any], Any]]] = {}
    for unit, edit in _units(network, step.of(Cap)):
        inserted.setdefault(unit.end, []).append(_capped(model, unit, edit.caps))
    for unit, edit in _units(network, step.of(Silence)):
        if in_weights(unit, edit):
            _zero(model, unit, edit.factors)
        elif not (edit.factors == 1).all():
            inserted.setdefault(unit.end, []).append(_multiplied(model, unit, edit.factors))
    return graph.insert(model, {end: each(parts) for end, parts in inserted.items()}) if inserted else model


def new_weights(network: Places, step: Step) -> dict[str, list[Array]]:
    """The weights of the layers that are replaced, masked or scaled, as Keras orders them."""
    new = {layer: list(edit.weights) for layer, edit in step.of(Replace).items()}
    for layer, mask in step.of(Mask).items():
        kernel, *rest = new.get(layer) or network.model.get_layer(layer).get_weights()
        new[layer] = [kernel * mask.factors, *rest]
    for layer, scale in step.of(Scale).items():
        norm = network.model.get_layer(layer)
        gamma, *rest = with_gamma(norm, new.get(layer) or norm.get_weights())
        new[layer] = [gamma * scale.factors, *rest]
    return new


def lacking(steps: Collection[Step], network: Places) -> frozenset[str]:
    """The layers that `steps` scale, but which have no γ to be scaled."""
    scaled = {layer for step in steps for layer in step.of(Scale)}
    return frozenset(layer for layer in scaled if not network.model.get_layer(layer).scale)


def copied(network: Places, gain: Collection[str]) -> keras.Model:
    """A copy of the network in which the layers `gain` have a γ of 1."""
    return graph.clone(network.model, {layer: {"scale": True} for layer in gain})


def with_gamma(norm: Any, weights: Sequence[Array]) -> list[Array]:
    """The weights of a batch normalisation, γ first, which is 1 where it has none."""
    return list(weights) if norm.scale else [np.ones_like(weights[0]), *weights]


def in_weights(unit: Unit, edit: Silence) -> bool:
    """Whether zeros in the weights of `unit` do what `edit` asks for."""
    return unit.weighted and edit.is_hard


def constraints(network: Places, step: Step) -> dict[str, dict[str, Hold]]:
    """By layer, new entries of its config that keep zero, while it is trained, what `step` made zero."""
    factors: dict[tuple[str, str], Array] = {}

    def hold(layer: str, entry: str, values: Array) -> None:
        factors[layer, entry] = factors.get((layer, entry), 1) * values

    for layer, mask in step.of(Mask).items():
        hold(layer, MASKED[type(network.model.get_layer(layer))], mask.factors)
    for layer, scale in step.of(Scale).items():
        hold(layer, "gamma_constraint", scale.factors)
    for unit, edit in _units(network, step.of(Silence)):
        if in_weights(unit, edit):
            separable = isinstance(network.model.get_layer(unit.layer), keras.layers.SeparableConv2D)
            hold(unit.layer, "pointwise_constraint" if separable else "kernel_constraint", edit.factors)
            hold(unit.layer, "bias_constraint", edit.factors)
            for name in unit.followers:
                if is_norm(network.model.get_layer(name)):
                    hold(name, "gamma_constraint", edit.factors)
                    hold(name, "beta_constraint", edit.factors)
    entries: dict[str, dict[str, Hold]] = {}
    for (layer, entry), values in factors.items():
        entries.setdefault(layer, {})[entry] = Hold(values)
    return entries


def _units(network: Places, edits: Mapping[str, Any]) -> Iterator[tuple[Unit, Any]]:
    return ((network.unit(layer), edit) for layer, edit in edits.items())


def _zero(model: keras.Model, unit: Unit, factors: Array) -> None:
    """Multiply all that makes up the channels of `unit`: a channel whose factor is 0 emits zero."""
    layer = model.get_layer(unit.layer)
    weights = layer.get_weights()
    first = WEIGHTED[type(layer)]
    layer.set_weights([*weights[:first], *(array * factors for array in weights[first:])])
    for follower in map(model.get_layer, unit.followers):
        if is_norm(follower):
            for variable in (follower.gamma, follower.beta, follower.moving_mean):
                if variable is not None:
                    variable.assign(variable * factors)


def _multiplied(model: keras.Model, unit: Unit, factors: Array) -> Callable[[Any], Any]:
    return _rescaling(model, f"{unit.layer}_silenced", scale=factors.astype(float).tolist())


def _capped(model: keras.Model, unit: Unit, caps: Array) -> Callable[[Any], Any]:
    # Of the layers that hold no code, only Minimum compares, and it takes no constant: x · 0 + caps makes one.
    constant = _rescaling(model, f"{unit.layer}_caps", scale=0.0, offset=np.minimum(caps, _MOST).astype(float).tolist())
    minimum = keras.layers.Minimum(name=_unused(model, f"{unit.layer}_capped"))
    return lambda tensor: minimum([tensor, constant(tensor)])


_MOST = np.finfo(np.float32).max  # JSON has no infinity


def _rescaling(model: keras.Model, name: str, **config: Any) -> Callable[[Any], Any]:
    layer: Callable[[Any], Any] = keras.layers.Rescaling(name=_unused(model, name), **config)
    return layer


def _unused(model: keras.Model, name: str) -> str:
    return graph.unused(name, [layer.name for layer in model.layers])


def each(parts: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """One function that applies `parts`, the first first."""

    def applied(tensor: Any) -> Any:
        for part in parts:
            tensor = part(tensor)
        return tensor

    return applied
