"""What can be chosen, the YAML files in each folder of `conf/` and of installed packages, and by which command."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Collection
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fineprune import plugins
from fineprune.errors import ConfigError

CONF = Path(str(files("fineprune.conf")))


def command(name: str, *settings: str) -> str:
    """How a user enters a command: `python -m runners.NAME` where Python finds this program's runners by that name."""
    spec = find_spec("runners")
    in_checkout = spec and spec.origin and Path(spec.origin).resolve().parent == CONF.resolve().parent / "runners"
    return shlex.join([*(["python", "-m", f"runners.{name}"] if in_checkout else ["fineprune", name]), *settings])


def choices(group: str) -> list[str]:
    """The names that `group`, as `strategy`, can be set to."""
    return sorted({file.stem for folder in _folders() for file in (folder / group).glob("*.yaml")})


def written(config: str) -> Path:
    """The file of `config`, as `strategy/anp`: that of fineprune, or else that of an installed package."""
    files = [folder / f"{config}.yaml" for folder in _folders()]
    return next(filter(Path.exists, files), files[0])


def _folders() -> tuple[Path, ...]:
    return CONF, *plugins.folders()


def check(group: str, choice: Any, names: Collection[str]) -> None:
    """Raise ConfigError unless `choice` is one of `names`; the message lists first those that resemble it."""
    if choice in names:
        return
    close = difflib.get_close_matches(str(choice), names, cutoff=0.7)
    listed = ", ".join([*close, *(name for name in names if name not in close)])
    if close:
        raise ConfigError(f"expected {group} to be one of {listed}, got {choice!r}: did you mean {group}={close[0]}?")
    raise ConfigError(f"expected {group} to be one of {listed}, got {choice!r}: set one of those")
