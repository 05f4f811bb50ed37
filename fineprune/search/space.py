"""What a search may choose from: for each setting a range, or a list of choices."""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from omegaconf import DictConfig, OmegaConf
from pydantic import Field

from fineprune.checks import call
from fineprune.errors import ConfigError

if TYPE_CHECKING:
    from optuna import Trial

Value = bool | int | float | str | None
Number = Annotated[int | float, Field(description="a number")]
Step = Annotated[int | float, Field(gt=0, description="a number > 0")]

SPACE = "tune.space"
EXAMPLE = "{low: 0.1, high: 0.8}"
TUNED = ("strategy", "finetune")  # what else is set decides which trials can be compared


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both included; evenly by their logarithms with `log`; by multiples of `step` from `low`.

    Whole numbers where `low` and `step` are.
    """

    low: Number
    high: Number
    log: bool = False
    step: Step | None = None

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.step, int)

    @property
    def ends(self) -> tuple[int | float, int | float]:
        """The lowest value and the highest; `high` may be none of the multiples of `step`."""
        if self.step is None:
            return float(self.low), float(self.high)
        return self.low, self.low + math.floor((self.high - self.low) / self.step + 1e-9) * self.step

    def has(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        steps = (value - self.low) / (self.step or 1)
        return self.step is None or (abs(steps - round(steps)) < 1e-9 and isinstance(value, int) >= self.whole)

    def suggest(self, trial: Trial, name: str) -> Value:
        low, high = self.ends
        if self.whole:
            return trial.suggest_int(name, int(low), int(high), step=int(self.step or 1), log=self.log)
        return trial.suggest_float(name, low, high, step=self.step, log=self.log)


@dataclass(frozen=True)
class Choices:
    """One of `values`."""

    values: tuple[Value, ...]

    @property
    def ends(self) -> tuple[Value, ...]:
        return self.values

    def has(self, value: Any) -> bool:
        return any(value == choice and type(value) is type(choice) for choice in self.values)

    def suggest(self, trial: Trial, name: str) -> Value:
        return trial.suggest_categorical(name, self.values)


Dimension = Range | Choices


class Space:
    """Ranges and choices by the names of their settings, as `strategy.epsilon`.

    Raises ConfigError unless `given`, what `tune.space` holds, says for each setting one or the other.
    """

    def __init__(self, given: Any) -> None:
        self.dimensions: dict[str, Dimension] = dict(_dimensions(given))
        if not self.dimensions:
            raise ConfigError(
                f"expected {SPACE} to name settings with their ranges, got none: take one of tune= that --help lists, "
                f"or set '{SPACE}={{strategy:{{epsilon:{{low:0.1,high:0.8}}}}}}'"
            )

    def __repr__(self) -> str:
        return repr(sorted(self.dimensions.items()))

    def check(self, settings: DictConfig) -> None:
        """Raise ConfigError unless all are settings of the strategy and the fine-tuning that `settings` choose."""
        offered = list(_offered(settings))
        for key in self.dimensions:
            if key not in offered:
                close = difflib.get_close_matches(key, offered, 1)
                guess = f"did you mean {close[0]}? " if close else ""
                raise ConfigError(
                    f"expected {SPACE} to name settings of the chosen strategy or fine-tuning, got '{key}': {guess}"
                    f"set one of {', '.join(offered) or 'another strategy'}"
                )

    def defaults(self, settings: DictConfig) -> dict[str, Value]:
        """What `settings` have where the space has it too: the first trial, that all others are measured by."""
        now = {key: OmegaConf.select(settings, key) for key in self.dimensions}
        return {key: value for key, value in now.items() if self.dimensions[key].has(value)}

    def extremes(self) -> Iterator[tuple[str, Value]]:
        """Each setting with the ends of its range, and with each choice."""
        for key, dimension in self.dimensions.items():
            for value in dimension.ends:
                yield key, value

    def suggest(self, trial: Trial) -> dict[str, Value]:
        """What Optuna proposes for `trial`."""
        return {key: dimension.suggest(trial, key) for key, dimension in self.dimensions.items()}


def applied(settings: DictConfig, values: Mapping[str, Value]) -> DictConfig:
    """`settings` of a sweep with these values; what tunes them is left out."""
    changed = copy.deepcopy(settings)
    OmegaConf.set_struct(changed, False)
    changed.pop("tune", None)
    for key, value in values.items():
        OmegaConf.update(changed, key, value)
    return changed


def _offered(settings: DictConfig) -> Iterator[str]:
    for group in TUNED:
        for key in settings.get(group) or ():
            if not str(key).startswith("_") and key != "seed":
                yield f"{group}.{key}"


def _dimensions(given: Any, key: str = "") -> Iterator[tuple[str, Dimension]]:
    match given:
        case None:
            return
        case {"low": _} | {"high": _}:
            yield key, _range(key, given)
        case dict():
            for name, part in given.items():
                yield from _dimensions(part, f"{key}.{name}" if key else str(name))
        case list() if given:
            yield key, _choices(key, given)
        case _:
            raise _unlike(key, given)


def _range(key: str, given: Mapping[str, Any]) -> Range:
    name = f"{SPACE}.{key}"
    if not {"low", "high"} <= set(given) <= {"low", "high", "log", "step"}:
        raise _unlike(key, dict(given))
    made = call(name, Range, **given)
    if made.low > made.high:
        raise ConfigError(f"expected {name}.low to be at most high, {made.high}, got {made.low}: swap them")
    if made.log and made.low <= 0:
        raise ConfigError(f"expected {name}.low to be above 0 with log, got {made.low}: raise it or set log=false")
    if made.log and made.step is not None and not (made.whole and made.step == 1):
        raise ConfigError(f"expected {name} to have log or step, got both: leave one out, or set a step of 1")
    return made


def _choices(key: str, given: Sequence[Any]) -> Choices:
    for choice in given:
        if not isinstance(choice, Value) or (isinstance(choice, float) and not math.isfinite(choice)):
            raise ConfigError(
                f"expected {SPACE}.{key} to list numbers, texts, true, false or null, got {choice!r}: leave it out"
            )
    return Choices(tuple(given))


def _unlike(key: str, given: Any) -> ConfigError:
    return ConfigError(
        f"expected {SPACE}{f'.{key}' if key else ''} to be a range as {EXAMPLE}, with log: true or step: 0.1 if need "
        f"be, or a list of choices, got {given!r}: write one of these"
    )
