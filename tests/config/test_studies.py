"""Each study names choices and settings that exist, and leaves no strategy out without a word."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from settings import CHOICES, CONF, compose

from fineprune.config.instantiate import instantiate
from fineprune.config.setup import obtain_stages
from fineprune.strategy import Strategy
from fineprune.training import FineTuning
from runners.study import Study

STUDIES = sorted((CONF / "study").glob("*.yaml"))


def study(file: Path) -> Study:
    return Study(**OmegaConf.to_container(OmegaConf.load(file)))  # type: ignore[arg-type]


def jobs(line: str) -> Iterator[list[str]]:
    """So many jobs of a line of settings that each value is in one."""
    overrides = OverridesParser.create().parse_overrides(line.split())
    values = [
        [f"{one.key_or_group}={value}" for value in one.sweep_string_iterator()]
        if one.is_sweep_override()
        else [one.input_line]
        for one in overrides
    ]
    for number in range(max(map(len, values))):
        yield [each[number % len(each)] for each in values]


@pytest.mark.slow
@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_every_line_of_a_study_can_be_run_on_its_networks(file: Path) -> None:
    planned = study(file)
    for block in planned.blocks.values():
        networks = [job for line in block["networks"] for job in jobs(f"{planned.always} {line}")]
        for line in block["methods"]:
            for number, job in enumerate(jobs(line)):
                settings = compose(*networks[number % len(networks)], *job)
                strategy = instantiate(settings.strategy, Strategy)
                assert settings.finetune is None or isinstance(instantiate(settings.finetune, FineTuning), FineTuning)
                obtain_stages(settings)
                assert not (strategy.oracle and any("attack=clean" in network for network in networks))
        for network in networks:
            if "badnet=h5" not in network:
                compose(*network, config="train_badnet")


@pytest.mark.parametrize("name", ["short", "full"])
def test_the_study_has_every_strategy(name: str) -> None:
    lines = [line for block in study(CONF / "study" / f"{name}.yaml").blocks.values() for line in block["methods"]]
    swept = {setting for line in lines for job in jobs(line) for setting in job if setting.startswith("strategy=")}
    offered = {choice for choice in CHOICES if choice.startswith("strategy=")}
    assert swept == offered - ({"strategy=cnp", "strategy=ims"} if name == "short" else set())
