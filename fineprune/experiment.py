"""From settings to the objects that they name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from fineprune.attacks.base import Attack
from fineprune.badnets import BadNet, Source
from fineprune.errors import ConfigError
from fineprune.files import write_text
from fineprune.finetuning import FineTuning
from fineprune.splits import Data
from fineprune.strategy import Strategy
from fineprune.targets import instantiate
from fineprune.tracking import Tracking


@dataclass(frozen=True)
class Experiment:
    """Everything that a sweep needs, and what to call it."""

    badnet: BadNet
    strategy: Strategy
    finetuning: FineTuning | None
    held_out: float
    tracking: Tracking
    tags: dict[str, str]

    @property
    def title(self) -> str:
        """As `channel_activation, sunglasses on synthetic_faces`, or `channel_activation, csaw_lab on csaw_lab`."""
        backdoor = self.tags["badnet"] if self.tags["attack"] == "given" else self.tags["attack"]
        tuned = "" if self.tags["finetune"] == "none" else " + fine-tuning"
        preset = f"{self.tags['experiment']}: " if "experiment" in self.tags else ""
        return f"{preset}{self.tags['strategy']}{tuned}, {backdoor} on {self.tags['data']}"


def build(settings: DictConfig) -> Experiment:
    """Make what `settings` names, the cheap parts first, so that a mistake shows early."""
    strategy: Strategy = instantiate(settings.strategy, Strategy)
    tracking: Tracking = instantiate(settings.tracking, Tracking)
    finetuning: FineTuning | None = instantiate(settings.finetune, FineTuning)
    held_out = settings.held_out
    if not isinstance(held_out, float) or not 0 < held_out < 1:
        raise ConfigError(
            f"expected held_out to be a fraction between 0 and 1, got {held_out!r}: set a share such as 0.3"
        )
    badnet = obtain_badnet(settings)
    choices = HydraConfig.get().runtime.choices
    attack = choices["attack"] if badnet.card else "given"
    variant = f" ({strategy.variant})" if strategy.variant else ""
    tags = {
        "strategy": f"{choices['strategy']}{variant}",
        "finetune": choices["finetune"],
        "badnet": choices["badnet"],
        "attack": attack,
        "data": badnet.data.name,
    }
    if choices.get("experiment"):
        tags["experiment"] = choices["experiment"]
    return Experiment(badnet, strategy, finetuning, held_out, tracking, tags)


def obtain_badnet(settings: DictConfig) -> BadNet:
    """The BadNet that `settings` names, with its data."""
    seed = settings.seed
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ConfigError(f"expected seed to be a whole number from 0 to 2^32 − 1, got {seed!r}: set such a number")
    source: Source = instantiate(settings.badnet, Source)
    return source.obtain(instantiate(settings.data, Data), instantiate(settings.attack, Attack), seed)


def flat(settings: DictConfig) -> dict[str, Any]:
    """The resolved settings, one entry a value, as `data.pixel_scale`."""
    nested = OmegaConf.to_container(settings, resolve=True)
    return {str(key): value for key, value in pd.json_normalize(nested).iloc[0].items()}  # type: ignore[arg-type]


def save_settings(settings: DictConfig, folder: Path) -> Path:
    """Write the resolved settings to `config.yaml`."""
    write_text(folder / "config.yaml", OmegaConf.to_yaml(settings, resolve=True))
    return folder / "config.yaml"
