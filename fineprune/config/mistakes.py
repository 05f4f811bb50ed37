"""What Hydra says of a setting or a choice that is not there, in our words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from hydra.errors import MissingConfigException

from fineprune.config.choices import check, choices
from fineprune.config.help import chosen
from fineprune.config.reference import settings
from fineprune.errors import ConfigError


def reword(error: Exception, config: str, arguments: Sequence[str]) -> None:
    """Raise ConfigError if `error` is about a setting of `config` or a choice; else leave it to whoever caught it."""
    for cause in _causes(error):
        if isinstance(cause, MissingConfigException) and cause.missing_cfg_file and cause.options is not None:
            group, _, choice = cause.missing_cfg_file.rpartition("/")
            check(group, choice, cause.options)
        if unknown := re.search(r"Could not override '([^']+)'", str(cause)):
            _refuse(unknown[1], config, arguments)
        if missing := re.search(r"Missing mandatory value: (\S+)", str(cause)):
            raise ConfigError(f"expected {missing[1]}, got none: set {missing[1]}=VALUE; --help says what it is")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _refuse(key: str, config: str, arguments: Sequence[str]) -> None:
    """Say that there is no setting `key`: another choice may have it, or it resembles one that is there."""
    choice = chosen(config, arguments)
    group = key.partition(".")[0]
    others = [name for name in choices(group) if key != group and _has(f"{group}/{name}", key)]
    if others and group in choice:
        raise ConfigError(
            f"expected a setting of {group}={choice[group]}, got '{key}': it is one of {group}={', '.join(others)}; "
            f"set {group} too"
        )
    parts = [config, *(f"{part}/{name}" for part, name in choice.items() if name in choices(part))]
    close = difflib.get_close_matches(key, [setting.name for part in parts for setting in settings(part)], 1)
    guess = f"did you mean {close[0]}? " if close else ""
    raise ConfigError(f"expected the name of a setting, got '{key}': {guess}--help lists them")


def _has(config: str, key: str) -> bool:
    return any(key == setting.name or key.startswith(f"{setting.name}.") for setting in settings(config))
