"""What a search is asked for, checked before anything is loaded or made."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from fineprune.checks import Count, Extent, checked
from fineprune.errors import ConfigError
from fineprune.search.space import Space
from fineprune.search.storage import Storage
from fineprune.sweeping import budgets

ORACLES = ("asr",)
Objective = Literal["clean", "asr"]


@dataclass(frozen=True)
class Asked:
    """So many `trials` from `space`, judged by `objective` at the budget `point`; `name` is the grid's, if set."""

    objective: str
    trials: int
    point: str
    space: Space
    storage: Storage
    name: str | None

    @property
    def judged_by(self) -> str:
        """The objective as tables and logs have it: an oracle is marked."""
        return f"{self.objective} (oracle)" if self.oracle else self.objective

    @property
    def oracle(self) -> bool:
        """Whether the objective sees poisoned images, as no defender does."""
        return self.objective in ORACLES


def read(settings: DictConfig, name: str | None) -> Asked:
    """What `settings` ask for, `name` being that of the grid, if set.

    Raises ConfigError for what makes no sense, TrackingError where no storage is.
    """
    if find_spec("optuna") is None:
        raise ConfigError("expected Optuna, which searches, got none: pip install 'fineprune[tune]'")
    tune = OmegaConf.to_container(settings.tune, resolve=True)
    asked = _asked(name, settings.budgets, **tune)  # type: ignore[arg-type]
    asked.space.check(settings)
    asked.storage.check()
    return asked


@checked("tune")
def _asked(
    name: Any, falls: Any, *, space: Any, objective: Objective, trials: Count, budget: Extent | None, storage: str
) -> Asked:
    return Asked(objective, trials, _point(budgets.check(falls), budget), Space(space), Storage(storage), name)


def _point(falls: list[float], budget: float | None) -> str:
    """The budget that nets are judged at; the middle one unless it is set."""
    if not falls:
        raise ConfigError("expected a budget that nets are judged at, got none: set budgets=[0.04]")
    if budget is not None and budget not in falls:
        raise ConfigError(f"expected tune.budget to be one of budgets, {falls}, got {budget}: set one of those")
    return budgets.name(falls[len(falls) // 2] if budget is None else budget)
