"""When two runs are the same, and when two grids are."""

from typing import Any

import pytest
from nets import tiny
from samples import pictures, split

from fineprune.aftermath.quantise import Quantise
from fineprune.badnets.source import BadNet
from fineprune.config import identity
from fineprune.data.split import Data
from fineprune.network.network import Network
from fineprune.strategies.controls.none import NoPruning
from fineprune.strategies.rankings.channel_activation import ChannelActivation
from fineprune.training.tuning.clean import CleanFineTuning

SETTINGS = {"seed": "0", "budgets": "[0.02]", "strategy.chunk": "1", "data.root": "a", "badnet.cache": "b"}
NAMES = {"strategy": "ours", "data": "faces"}


def same(settings: dict[str, str] | None = None, **changed: Any) -> str:
    given: dict[str, Any] = {"names": NAMES, "badnet": badnet(), "strategy": NoPruning(), "finetuning": None}
    return identity.of_run(SETTINGS | (settings or {}), **given | changed)


def badnet(seed: int = 0, images: int = 0) -> BadNet:
    clean = split(pictures(6, seed=images), 5)
    return BadNet(Network(tiny(seed)), Data("faces", clean, clean))


def linear() -> BadNet:
    """The same weights in another network."""
    changed = badnet()
    config = changed.network.model.get_config()
    config["layers"][1]["config"]["activation"] = "linear"
    model = type(changed.network.model).from_config(config)
    model.set_weights(changed.network.model.get_weights())
    return BadNet(Network(model), changed.data)


def test_the_same_again_is_the_same_wherever_things_lie() -> None:
    assert same() == same({"data.root": "elsewhere", "badnet.cache": "there", "tracking.uri": "x", "grid": "y"})


@pytest.mark.parametrize(
    "changed",
    [
        {"settings": {"seed": "1"}},
        {"settings": {"budgets": "[0.04]"}},
        {"settings": {"strategy.chunk": "2"}},
        {"names": NAMES | {"data": "signs"}},
        {"badnet": badnet(seed=1)},
        {"badnet": badnet(images=1)},
        {"badnet": linear()},
        {"strategy": ChannelActivation()},
        {"finetuning": CleanFineTuning("all", epochs=1, batch_size=1, learning_rate=0.1)},
        {"stages": [Quantise()]},
        {"settings": {"aftermath.retuning.poisoned": "9"}},
    ],
    ids=[
        "seed",
        "budgets",
        "setting",
        "name",
        "weights",
        "images",
        "architecture",
        "strategy",
        "fine-tuning",
        "stages",
        "stage",
    ],
)
def test_what_decides_a_run_tells_it_from_others(changed: dict[str, Any]) -> None:
    assert same(**changed) != same()


def test_a_grid_is_the_same_in_any_order_and_wherever_things_lie() -> None:
    asked = ["seed=0,1", "strategy=none"]
    assert identity.of_grid(asked) == identity.of_grid(
        ["strategy=none", "tracking=none", "+tracking.x=1", "grid=a", "badnet.cache=b", "seed=0,1"]
    )
    assert identity.of_grid(asked) != identity.of_grid(["seed=0,1"])
