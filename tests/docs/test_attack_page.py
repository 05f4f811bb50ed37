"""The attack that docs/how_to/attack.md writes is one."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from fineprune.attacks import Trigger

PAGE = (Path(__file__).parents[2] / "docs" / "how_to" / "attack.md").read_text()


def block(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[0]


def attack(**settings: Any) -> Trigger:
    names: dict[str, Any] = {}
    exec(block("python"), names)  # noqa: S102  our own text
    return names["Line"](**settings)


def test_its_yaml_makes_it() -> None:
    settings = {**OmegaConf.create(block("yaml"))}
    assert settings.pop("_target_") == "fineprune.attacks.Line"
    assert attack(**settings).settings() == {"name": "line", "variant": "", **settings}


def test_it_stamps_a_line() -> None:
    images = np.zeros((2, 4, 3, 3), np.float32)
    stamped = attack(height=1).stamp(images, None)
    assert (stamped[:, 0] == 255).all() and not stamped[:, 1:].any() and not images.any()
