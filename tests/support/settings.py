"""The settings that the command line composes, and every choice that it offers."""

import hydra
from omegaconf import DictConfig

from fineprune.config import command_line
from fineprune.config.choices import CONF

GROUPS = [
    *("aftermath", "architecture", "attack", "badnet", "data", "experiment", "finetune", "shift", "strategy"),
    "tracking",
]
CHOICES = [f"{group}={file.stem}" for group in GROUPS for file in sorted(CONF.glob(f"{group}/*.yaml"))]


def listed(group: str, *close: str) -> str:
    """The choices of `group` as an error lists them, those that are `close` to what was entered first."""
    names = [choice.partition("=")[2] for choice in CHOICES if choice.startswith(f"{group}=")]
    return ", ".join([*close, *(name for name in names if name not in close)])


def compose(*overrides: str, config: str = "sweep", hydra_too: bool = False) -> DictConfig:
    assert command_line  # the module brings the schema of data.poisoned
    with hydra.initialize_config_module("fineprune.conf", version_base="1.3"):
        return hydra.compose(config, list(overrides), return_hydra_config=hydra_too)
