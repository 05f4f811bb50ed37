"""From settings to objects, of fineprune's classes and those that were installed: settings may come from strangers."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, get_type_hints

from omegaconf import DictConfig, OmegaConf

from fineprune import plugins
from fineprune.errors import SECRET, ConfigError, plain, without_secrets

OWN = "strategies."  # how `conf/` names the strategies of fineprune, whatever folder of that name Python finds first


def instantiate(settings: DictConfig | None, kind: type, or_none: bool = False) -> Any:
    """The object that `settings._target_` makes from the other settings; with `or_none`, None if there are none.

    Raises ConfigError unless that is a class of `kind`, or a function that returns one, which is written in fineprune
    or named by an entry point of an installed package.
    """
    from hydra.utils import instantiate as make

    if settings is None and or_none:
        return None
    if not isinstance(settings, DictConfig):
        raise ConfigError(
            f"expected settings of a {kind.__name__} by name, got {plain(settings)}: take one that --help lists"
        )
    first, *more = _targets(OmegaConf.to_container(settings, resolve=True))
    if more or not _makes(first, kind):
        raise ConfigError(
            "expected _target_ to name something in fineprune or strategies, or an entry point of what is installed, "
            f"that makes a {kind.__name__}, got {(more or [first])[0]!r}: nothing was run; take one of those that "
            "--help lists"
        )
    made = make(settings, _target_=_importable(first))
    if not isinstance(made, kind):
        raise ConfigError(f"expected settings that make a {kind.__name__}, got _partial_ among them: leave it out")
    return made


def _targets(settings: Any) -> Iterator[Any]:
    """Every `_target_`, at any depth, that of `settings` first; None where it has none."""
    if isinstance(settings, dict):
        yield settings.get("_target_")
    inside = settings.values() if isinstance(settings, dict) else settings if isinstance(settings, list) else ()
    for part in inside:
        yield from (target for target in _targets(part) if target is not None)


def _importable(target: Any) -> str:
    """`target` as Python imports it, from the checkout as from a wheel."""
    return f"fineprune.{target}" if str(target).startswith(OWN) else str(target)


def _makes(target: Any, kind: type) -> bool:
    name = _importable(target)
    factory = plugins.load(name) if name in plugins.targets() else _own(name)
    try:
        product = factory if isinstance(factory, type) else get_type_hints(factory)["return"]
        return issubclass(product, kind)
    except (AttributeError, KeyError, NameError, TypeError):
        return False


def _own(name: str) -> Any:
    """What fineprune calls `name`; None where that is another's. Nothing else is imported."""
    module, _, attribute = name.rpartition(".")
    if module.split(".")[0] != "fineprune":
        return None
    try:
        found = getattr(import_module(module), attribute)
        return found if found.__module__.split(".")[0] == "fineprune" else None
    except (ImportError, AttributeError):
        return None


def check_no_password(settings: Any) -> None:
    """Raise ConfigError if a setting, as entered, is an address with a user or a password."""
    if OmegaConf.is_config(settings):
        settings = OmegaConf.to_container(settings, resolve=False)
    if isinstance(settings, str) and SECRET.search(settings):
        raise ConfigError(
            f"expected settings without passwords, which others can see, got '{without_secrets(settings)}': set the "
            "environment variable MLFLOW_TRACKING_URI, or FINEPRUNE_TUNE_STORAGE for tune.storage, to the whole address"
        )
    for part in settings.values() if isinstance(settings, dict) else settings if isinstance(settings, list) else ():
        check_no_password(part)


def flat(settings: DictConfig) -> dict[str, str]:
    """The resolved settings as texts without passwords, one for each value, with keys such as `data.pixel_scale`."""
    import pandas as pd

    nested = OmegaConf.to_container(settings, resolve=True)
    rows = pd.json_normalize(nested)  # type: ignore[arg-type]
    return {str(key): without_secrets(value) for key, value in rows.iloc[0].items()}
