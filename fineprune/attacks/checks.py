"""What the settings of an attack may be: each function returns the value, or raises a ConfigError that names it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

from fineprune.errors import ConfigError


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def between(name: str, value: Any, least: float, most: float) -> float:
    """A number from `least` to `most`."""
    if not _number(value) or not least <= value <= most:
        raise ConfigError(
            f"expected attack.{name} to be a number from {least:g} to {most:g}, got {value!r}: set such a one"
        )
    return float(value)


def whole(name: str, value: Any, least: int) -> int:
    """A whole number from `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(
            f"expected attack.{name} to be a whole number, {least} or above, got {value!r}: set such a one"
        )
    return value


def choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """One of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(f"expected attack.{name} to be one of {', '.join(choices)}, got {value!r}: set one of those")
    return value


def flag(name: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ConfigError(f"expected attack.{name} to be true or false, got {value!r}: set one of the two")
    return value


def point(name: str, value: Any) -> tuple[float, float]:
    """A place in the picture, [x, y], as fractions of its width and height."""
    if not isinstance(value, Sequence) or len(value) != 2 or not all(_number(v) and 0 <= v <= 1 for v in value):
        raise ConfigError(
            f"expected attack.{name} to be two fractions [x, y] between 0 and 1, got {value!r}: set two such"
        )
    return float(value[0]), float(value[1])


def rgb(name: str, value: Any) -> tuple[int, int, int]:
    """A colour, [red, green, blue] from 0 to 255."""
    if (
        not isinstance(value, Sequence)
        or len(value) != 3
        or any(isinstance(v, bool) or not isinstance(v, int) or not 0 <= v <= 255 for v in value)
    ):
        raise ConfigError(
            f"expected attack.{name} to be [red, green, blue] from 0 to 255, got {value!r}: set three such"
        )
    return value[0], value[1], value[2]
