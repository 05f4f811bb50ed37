"""The annotation of a setting says what it may be; a wrong one raises an error of one line that names it.

@checked("strategy")
def __init__(self, chunk: Count = 1) -> None: ...

ConfigError: expected strategy.chunk to be a whole number ≥ 1, got 'x': set a whole number ≥ 1
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache, wraps
from inspect import signature
from typing import Annotated, Any, ParamSpec, TypeVar, get_type_hints

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from fineprune.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")

Natural = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Fractions = Annotated[tuple[Fraction, ...], Field(strict=False, min_length=1, description="fractions from 0 to 1")]
Share = Annotated[float, Field(gt=0, lt=1, description="a fraction between 0 and 1, such as 0.3")]
Seed = Annotated[int, Field(ge=0, lt=2**32, description="a whole number from 0 to 2^32 − 1")]
Extent = Annotated[float, Field(gt=0, le=1, description="a fraction > 0 and ≤ 1")]
Scale = Annotated[
    float,  # what is far from these bounds turns images black, or into infinity, in single precision
    Field(ge=1e-6, le=1e6, description="a number from 1e-6 to 1e6, such as 1 or 1/255"),
    BeforeValidator(lambda value: _quotient(value)),
]
Levels = Annotated[
    tuple[float, ...], Field(strict=False, min_length=1, description="a list of numbers, one for each channel")
]
Deviations = Annotated[
    tuple[Positive, ...], Field(strict=False, min_length=1, description="a list of numbers > 0, one for each channel")
]
Range = Annotated[
    tuple[float, float], Field(strict=False, description="a list of two numbers, those of black and of white")
]
Size = Annotated[tuple[Count, Count], Field(strict=False, description="a list of two whole numbers, height and width")]
Image = Annotated[
    tuple[Count, Count, Count], Field(strict=False, description="a list of height, width and channels, as [32,32,3]")
]
LayerName = Annotated[str, Field(description="auto or the name of a layer")]
Names = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
Layers = Annotated[str | Names, Field(description="auto, all, convolutions, the name of a layer or a list of names")]

STRICT = ConfigDict(strict=True, allow_inf_nan=False)  # neither true nor "3" is a number
TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "null": "null",
    "array": "a list",
    "object": "settings by name",
}
MADE = "__made_of_settings__"  # marks a constructor that nobody wrote
SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def checked(group: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator that checks what a function or constructor is given; `group` is where its settings stand.

    Arguments that stand in no group, `""`, are called by their names alone.
    """

    def decorate(build: Callable[P, R]) -> Callable[P, R]:
        @wraps(build)
        def checking(*args: P.args, **kwargs: P.kwargs) -> R:
            return call(group, build, *args, **kwargs)

        return checking

    return decorate


def take_settings(kind: type, group: str) -> None:
    """Make the annotated attributes of `kind` the arguments of its constructor, by keyword, checked as by `checked`.

    Those of its bases are among them; to set one of these anew changes its default. A constructor that is written out,
    there or in a base, stays. Raises ConfigError where a default is not what its annotation asks for.
    """
    own, inherited = set(vars(kind)), {field.name for field in fields(kind)} if is_dataclass(kind) else set()
    hints = get_type_hints(kind, include_extras=True)
    annotated = vars(kind).get("__annotations__", {})
    kind.__annotations__ = {name: hints[name] for name in inherited & own - set(annotated)} | annotated
    constructor: Any = kind.__init__  # type: ignore[misc]
    is_made = constructor is object.__init__ or hasattr(constructor, MADE)
    dataclass(init=is_made, kw_only=True, eq=False)(kind)
    if is_made:
        constructor = kind.__init__  # type: ignore[misc]
        constructor.__annotations__ = {field.name: hints[field.name] for field in fields(kind)}
        setattr(constructor, MADE, True)
        _check_defaults(kind, constructor, group)
        kind.__init__ = checked(group)(constructor)  # type: ignore[misc]


def _check_defaults(kind: type, constructor: Callable[..., Any], group: str) -> None:
    parameters = _parameters(constructor)
    for setting in fields(kind):
        if setting.default is MISSING or setting.name not in parameters:
            continue
        adapter, expected = parameters[setting.name]
        try:
            adapter.validate_python(setting.default)
        except ValidationError:
            raise ConfigError(
                f"expected the default of {group}.{setting.name} in {kind.__name__} to be {expected}, got "
                f"{setting.default!r}: set {expected} there, and annotate what may be missing with | None"
            ) from None


def call(group: str, build: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What `build` makes of these settings. Raises ConfigError where one is not what its annotation asks for."""
    bound = signature(build).bind(*args, **kwargs)
    for name, (adapter, expected) in _parameters(build).items():
        if name in bound.arguments:
            value = bound.arguments[name]
            try:
                bound.arguments[name] = adapter.validate_python(value)
            except ValidationError:
                setting = f"{group}.{name}" if group else name
                raise ConfigError(f"expected {setting} to be {expected}, got {value!r}: set {expected}") from None
    return build(*bound.args, **bound.kwargs)


def _quotient(value: Any) -> Any:
    """`1/255` as the number that it is; anything else unchanged."""
    number = r"\s*(\d+(?:\.\d+)?)\s*"
    parts = re.fullmatch(f"{number}/{number}", value) if isinstance(value, str) else None
    return float(parts[1]) / float(parts[2]) if parts and float(parts[2]) else value


@cache
def _parameters(build: Callable[..., Any]) -> dict[str, tuple[TypeAdapter[Any], str]]:
    """Of each parameter with an annotation, what checks it, and its description in words."""
    hints = get_type_hints(build, include_extras=True)
    adapters = {
        name: TypeAdapter(hint, config=STRICT) for name, hint in hints.items() if name != "return" and hint is not Any
    }
    return {name: (adapter, _describe(adapter.json_schema())) for name, adapter in adapters.items()}


def _describe(schema: dict[str, Any]) -> str:
    """In words, what a JSON schema allows; its own description where it has one."""
    if "description" in schema:
        return str(schema["description"])
    if "anyOf" in schema:
        return " or ".join(map(_describe, schema["anyOf"]))
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return str(schema["const"])
    limits = [f"{sign} {schema[key]:g}" for key, sign in SIGNS.items() if key in schema]
    return f"{TYPES[schema['type']]} {' and '.join(limits)}".strip()
