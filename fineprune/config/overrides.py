"""What a user enters as KEY=VALUE, as Hydra is to read it: paths stay paths, and no key is new."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, Quote, QuotedString
from hydra.errors import HydraException

from fineprune.config.choices import CONF, check, choices
from fineprune.errors import ConfigError, plain

KEY = re.compile(r"(?P<sign>\+{0,2}|~)(?P<key>[\w.@:/$-]+)")


def readable(arguments: Sequence[str], positional: str | None = None) -> list[str]:
    """`arguments` with the settings among them as Hydra reads what was meant.

    One that is a value alone belongs to the setting `positional`. Raises ConfigError where a flag is unknown, where one
    is no setting, or where it cannot have this value.
    """
    for argument in arguments:
        _check_is_utf_8(argument)
    if positional:
        arguments = [_with_key(argument, positional) for argument in arguments]
    parser = get_args_parser()
    parser.error = _refuse_flag  # type: ignore[method-assign]  # whose own says it in ten lines
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise ConfigError(f"expected settings as KEY=VALUE, got '{unknown[0]}': --help lists them")
    if parsed.shell_completion:
        return list(arguments)
    many = parsed.multirun or any(entered.startswith("hydra.mode=") for entered in parsed.overrides)
    return [_setting(entered, many) if entered in parsed.overrides else entered for entered in arguments]


def _check_is_utf_8(argument: str) -> None:
    try:
        argument.encode()
    except UnicodeEncodeError as reason:  # of bytes that are none, which Python takes from the command line
        raise ConfigError(
            f"expected settings in UTF-8, as files of settings are written, got '{plain(argument)}': rename the file"
        ) from reason


def _refuse_flag(message: str) -> NoReturn:
    raise ConfigError(f"expected flags that Hydra takes, got one that it does not, {message}: --hydra-help lists them")


def _with_key(argument: str, key: str) -> str:
    """`argument` as the setting `key` if it is a value alone, or a folder with a = in its name; else unchanged."""
    if argument.startswith("-") or ("=" in argument and not Path(argument).is_dir()):
        return argument
    return f"{key}={quoted(argument)}"


def _setting(entered: str, many: bool) -> str:
    """One setting; `many` where several values make a grid."""
    name, equals, value = entered.partition("=")
    match = KEY.fullmatch(name)
    if not match or not equals or match["sign"] == "~":
        raise ConfigError(f"expected settings as KEY=VALUE, got '{entered}': --help lists them")
    key = match["key"]
    # Without its +, which could only bring a setting that nothing reads, Hydra refuses a key that is not there.
    name = name if key.startswith("hydra") else key
    override = _parsed(f"{name}={value}")
    if override is None or (override.is_sweep_override() and Path(value).exists()):
        override = _parsed(f"{name}={quoted(value)}")
    if override is None:
        raise ConfigError(f"expected settings as KEY=VALUE, got '{entered}': --help lists them")
    if override.is_sweep_override() and not many:
        raise ConfigError(
            f"expected one value of {key}, got '{value}': add -m for a grid, write a list as '{key}=[{value}]', or "
            f"text as {key}=\"'{value}'\""
        )
    _check_choice(key, override.value())
    return str(override.input_line)


def quoted(value: str) -> str:
    """`value` as a text that Hydra takes as it is."""
    return str(QuotedString(value, Quote.single).with_quotes())


def _parsed(setting: str) -> Override | None:
    """What Hydra's grammar makes of `setting`; None where it cannot read it."""
    try:
        return OverridesParser.create().parse_override(setting)
    except HydraException:
        return None


def _check_choice(key: str, value: Any) -> None:
    """Raise ConfigError where `key` is a group, and `value` cannot be the name of a choice."""
    try:
        is_group = not key.startswith("hydra") and (CONF / key).is_dir()
    except OSError:  # of a name that is too long for any
        return
    if is_group:
        for choice in value.list if isinstance(value, ChoiceSweep) else [value]:
            nothing = choice in ([], {}) and key != "aftermath"  # of which several can be chosen, and so none
            if nothing or choice is None or isinstance(choice, bool | int | float) or str(choice).endswith(".yaml"):
                check(key, "null" if choice is None else str(choice).lower(), choices(key))
