"""The presets of networks that other people published: what each downloads, and that it can be built."""

import re
from pathlib import Path

import pytest
from settings import CONF, compose

from fineprune.badnets.source import build
from fineprune.config.reference import summary

PRESETS = sorted(
    file.stem for file in CONF.glob("experiment/*.yaml") if re.search(r"at\s+(# )?commit", file.read_text())
)
PAGE = (Path(__file__).parents[2] / "docs" / "science" / "third_party.md").read_text()


def test_there_are_some() -> None:
    assert len(PRESETS) == 12


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_says_where_its_network_comes_from(preset: str) -> None:
    badnet, said = compose(f"experiment={preset}").badnet, summary(f"experiment/{preset}")
    file = badnet.model or badnet.weights
    assert str(Path(file).parent) == "models"
    assert re.search(r"[\w-]+/[\w-]+ at commit [0-9a-f]{7}, ", said)
    assert Path(file).stem.split(".")[0] in said
    assert f"`{preset}`" in PAGE
    assert file in PAGE


@pytest.mark.parametrize("preset", [name for name in PRESETS if compose(f"experiment={name}").badnet.weights])
@pytest.mark.slow
def test_the_network_that_its_weights_belong_to_can_be_built(preset: str) -> None:
    settings = compose(f"experiment={preset}")
    classes = {"cifar10": 10, "gtsrb": 43}[settings.data.name]
    net = build(settings.architecture.name, (32, 32, 3), classes)
    assert (
        net.count_params()
        == {("small_vgg", 10): 309_290, ("small_vgg", 43): 376_907, ("wrn_16_1", 10): 175_994}[
            settings.architecture.name, classes
        ]
    )
    assert [name for name, file in settings.data.poisoned.items() if file] != []
