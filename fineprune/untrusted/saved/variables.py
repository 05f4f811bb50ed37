"""Which variable of a SavedModel is which weight of a layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fineprune.untrusted.vetting import VettedArray


def by_layer(
    variables: Mapping[str, list[VettedArray]], layers: Iterable[str], model: Any
) -> dict[str, list[VettedArray]]:
    """The weights of each of `layers` of `model`, in their order, as far as they are among the `variables`.

    TensorFlow names a variable by the shortest way that leads to it: the layer, counted among those with weights, and
    the attribute; of a layer inside a network, its number among all variables.
    """
    total, numbers = 0, dict[str, int]()
    found: dict[str, list[VettedArray]] = {}
    for name in layers:
        outermost, *inside = name.split("/")
        weights = _weights(model, name)
        number = numbers.setdefault(outermost, len(numbers)) if weights else 0
        ways = [
            (f"/variables/{total + place}", *_attribute(number, weight, inside)) for place, weight in enumerate(weights)
        ]
        total += len(weights)
        if stored := [variables[way][0] for each in ways for way in each if way in variables]:
            found[name] = stored
    return found


def _weights(model: Any, name: str) -> list[Any]:
    layer = model
    for part in name.split("/"):
        layer = next((each for each in layer.layers if each.name == part), None)
        if layer is None:  # the input of a sequential network is none of its layers
            return []
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _attribute(number: int, weight: Any, inside: list[str]) -> tuple[str, ...]:
    kind = str(weight.name).split("/")[-1].split(":")[0]
    return () if inside else (f"/layer_with_weights-{number}/{kind}",)
