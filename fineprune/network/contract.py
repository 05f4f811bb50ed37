"""What the sweep demands of the steps of a strategy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from math import isfinite
from typing import Any

import numpy as np

from fineprune.errors import ConfigError, StrategyError
from fineprune.names import COUNTS
from fineprune.network.places import Places
from fineprune.network.pruning import MASKED
from fineprune.network.step import Cap, Mask, Replace, Scale, Silence, Step
from fineprune.network.unit import is_norm

Shape = tuple[int, ...]
Shapes = Callable[[type, str], list[Shape]]


def listed(network: Places, steps: Iterable[Step], name: str) -> list[Step]:
    """All `steps` of the strategy called `name`; raises StrategyError, naming it and the step, where one is wrong.

    There has to be one at least. Each has to fit `network`, and their amounts have to be one column of a table.
    """
    shapes = cache(partial(_shapes, network))  # the same for all steps, which may be thousands
    checked = []
    for number, step in enumerate(steps, start=1):
        try:
            _check(step, shapes)
        except StrategyError as reason:
            raise StrategyError(
                f"expected step {number} of {name} to fit the network, got: {reason}; it is a bug"
            ) from reason
        checked.append(step)
    if not checked:
        raise StrategyError(f"expected strategy {name} to yield at least one step, got none: yield one, if only Step()")
    _check_amounts(checked, name)
    return checked


def _check(step: Step, shapes: Shapes) -> None:
    for edit in step.edits:
        values = edit.weights if isinstance(edit, Replace) else [edit.caps if isinstance(edit, Cap) else edit.factors]
        name = _name(type(edit), edit.layer)
        expected, given = shapes(type(edit), edit.layer), [tuple(np.shape(array)) for array in values]
        if given != expected:
            raise StrategyError(f"expected {name} of shape {_list(expected)}, got {_list(given)}: give one value each")
        fits = (lambda array: array >= 0) if isinstance(edit, Cap) else np.isfinite
        if not all(np.all(fits(array)) for array in values):
            kind = "numbers ≥ 0" if isinstance(edit, Cap) else "finite numbers"
            raise StrategyError(f"expected {name} to hold {kind}, got others, or NaN: look where they come from")
    if len({(type(edit), edit.layer) for edit in step.edits}) < len(step.edits):
        raise StrategyError("expected one edit of a kind for each layer, got several: combine them")


def _shapes(network: Places, kind: type, layer: str) -> list[Shape]:
    """The shapes of what an edit of this kind holds; raises StrategyError where `layer` cannot be edited so."""
    name = _name(kind, layer)
    if kind in (Silence, Cap):
        try:
            return [(network.unit(layer).channels,)]
        except ConfigError as reason:
            raise StrategyError(f"expected {name} to name a layer with channels, got: {reason}; do so") from reason
    layers = {each.name: each for each in network.model.layers}
    if layer not in layers:
        raise StrategyError(f"expected {name} to name a layer, got none of {', '.join([*layers][:12])}, …: name one")
    edited: Any = layers[layer]
    if kind is Mask and type(edited) not in MASKED:
        raise StrategyError(f"expected {name} to name a layer with a kernel, got {type(edited).__name__}: name another")
    if kind is Scale and not is_norm(edited):
        raise StrategyError(f"expected {name} to name a batch normalisation, got {type(edited).__name__}: name another")
    shapes = [tuple(weight.shape) for weight in edited.weights]
    return shapes if kind is Replace else shapes[:1]


def _name(kind: type, layer: str) -> str:
    return f"{kind.__name__}('{layer}')"


def _list(shapes: Sequence[Shape]) -> str:
    return ", ".join(map(str, shapes)) or "none"


def _check_amounts(steps: Sequence[Step], name: str) -> None:
    if len({(step.amount_name, step.total) for step in steps}) > 1:
        raise StrategyError(f"expected one amount_name and one total in all steps of {name}, got several: use one")
    for step in steps:
        if not isfinite(step.amount):
            raise StrategyError(f"expected the amounts of {name} to be finite, got {step.amount}: give each step one")
    amount_name = steps[0].amount_name
    if not re.fullmatch(r"\w[\w .-]*", amount_name, re.ASCII) or amount_name in COUNTS:
        raise StrategyError(
            f"expected amount_name of {name} to be letters and digits, and none of {', '.join(COUNTS)}, got "
            f"{amount_name!r}: choose another"
        )
