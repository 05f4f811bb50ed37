"""From settings to the objects that they name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

import fineprune
import strategies
from fineprune.attacks.base import Attack
from fineprune.badnets import GIVEN, BadNet, Source
from fineprune.errors import ConfigError
from fineprune.files import write_text
from fineprune.finetuning import FineTuning
from fineprune.grids import named
from fineprune.records import Record, now
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
        return f"{self._what}, {self._where}"

    def name(self, seed: int) -> str:
        """The same with the seed; what tells runs apart stands first, since lists cut names short."""
        return f"{self._what}, seed {seed}, {self._where}"

    @property
    def _what(self) -> str:
        tuned = "" if self.tags["finetune"] == "none" else " + fine-tuning"
        preset = f"{self.tags['experiment']}: " if "experiment" in self.tags else ""
        return f"{preset}{self.tags['strategy']}{tuned}"

    @property
    def _where(self) -> str:
        backdoor = self.tags["badnet"] if self.tags["attack"] == GIVEN else self.tags["attack"]
        return f"{backdoor} on {self.tags['data']}"


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
    variant = f" ({strategy.variant})" if strategy.variant else ""
    tags = {
        "strategy": f"{choices['strategy']}{variant}",
        "finetune": choices["finetune"],
        "badnet": choices["badnet"],
        "attack": badnet.attack,
        "architecture": badnet.model.name,
        "data": badnet.data.name,
    }
    tags |= {"experiment": choices["experiment"]} if choices.get("experiment") else {}
    tags |= {"grid": grid} if (grid := named(settings)) else {}
    return Experiment(badnet, strategy, finetuning, held_out, tracking, tags)


def obtain_badnet(settings: DictConfig) -> BadNet:
    """The BadNet that `settings` names, with its data."""
    seed = settings.seed
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ConfigError(f"expected seed to be a whole number from 0 to 2^32 − 1, got {seed!r}: set such a number")
    source: Source = instantiate(settings.badnet, Source)
    return source.obtain(instantiate(settings.data, Data), instantiate(settings.attack, Attack), seed)


def record(settings: DictConfig, parts: Experiment) -> Record:
    """What the log takes of the run before it has found anything."""
    params = {key: str(value) for key, value in flat(settings).items() if key != "grid"}
    datasets = {
        name: {"digest": split.digest, "images": len(split), "shape": list(split.shape)}
        for name, split in parts.badnet.data.splits.items()
    }
    tags = {**parts.tracking.context(), **parts.tags, "identity": _identity(params, datasets, parts.badnet)}
    return Record(uuid4().hex, parts.name(settings.seed), now(), params, tags, datasets)


def _identity(params: Mapping[str, str], datasets: Mapping[str, Any], badnet: BadNet) -> str:
    """A hash of all that decides what a run finds: settings but for places of output, images, weights, our code."""
    decisive = {
        key: value for key, value in params.items() if key.split(".")[0] != "tracking" and key != "badnet.cache"
    }
    sha = hashlib.sha256(repr((sorted(decisive.items()), sorted(datasets.items()))).encode())
    for array in badnet.model.get_weights():
        sha.update(array.tobytes())
    for package in (fineprune, strategies):
        for source in sorted(Path(package.__path__[0]).rglob("*.py")):
            sha.update(source.read_bytes())
    return sha.hexdigest()[:16]


def flat(settings: DictConfig) -> dict[str, Any]:
    """The resolved settings, one entry a value, as `data.pixel_scale`."""
    nested = OmegaConf.to_container(settings, resolve=True)
    return {str(key): value for key, value in pd.json_normalize(nested).iloc[0].items()}  # type: ignore[arg-type]


def save_settings(settings: DictConfig, folder: Path) -> Path:
    """Write the resolved settings to `config.yaml`."""
    write_text(folder / "config.yaml", OmegaConf.to_yaml(settings, resolve=True))
    return folder / "config.yaml"
