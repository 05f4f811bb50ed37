"""What can be chosen: the YAML files in each folder of `conf/`."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fineprune
from fineprune.errors import ConfigError

# Beside this package rather than by its name: a folder `conf` of the user's own may come first where Python looks.
CONF = Path(fineprune.__file__).parents[1] / "conf"


def check_packages() -> None:
    """Raise ConfigError where a folder of the user's own hides the program's strategies."""
    spec = find_spec("strategies")
    if spec is None or spec.origin is None or Path(spec.origin).parents[1] != CONF.parent:
        raise ConfigError(
            f"expected the package strategies of fineprune in {CONF.parent}, got {spec and (spec.origin or 'a folder')}"
            ": run the command fineprune instead of python -m, or from another folder"
        )


def choices(group: str) -> list[str]:
    """The names that `group`, as `strategy`, can be set to."""
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))


def check(group: str, choice: Any, names: Collection[str]) -> None:
    """Raise ConfigError unless `choice` is one of `names`; the message lists first those that resemble it."""
    if choice in names:
        return
    close = difflib.get_close_matches(str(choice), names, cutoff=0.7)
    listed = ", ".join([*close, *(name for name in names if name not in close)])
    if close:
        raise ConfigError(f"expected {group} to be one of {listed}, got {choice!r}: did you mean {group}={close[0]}?")
    raise ConfigError(f"expected {group} to be one of {listed}, got {choice!r}: set one of those")
