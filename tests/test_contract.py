"""What every strategy owes the sweep, and every YAML file the command line. New ones are found by themselves."""

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path

import hydra
import numpy as np
import pytest
import tf_keras as keras
from hydra.utils import get_object, instantiate
from nets import copies, deepid, residual, same, tiny
from omegaconf import DictConfig, OmegaConf
from samples import pictures, split

import conf
from fineprune import cli
from fineprune.errors import NotApplicable
from fineprune.evaluation import predict, predict_steps
from fineprune.network import Network
from fineprune.splits import ArraySplit
from fineprune.strategy import Step

CONF = Path(conf.__file__).parent
STRATEGIES = sorted(file.stem for file in CONF.glob("strategy/*.yaml"))
GROUPS = ["architecture", "attack", "badnet", "data", "experiment", "finetune", "strategy", "tracking"]
CHOICES = [f"{group}={file.stem}" for group in GROUPS for file in sorted(CONF.glob(f"{group}/*.yaml"))]
NETS: list[Callable[[], keras.Model]] = [tiny, residual, deepid]


def compose(*overrides: str, config: str = "sweep", hydra_too: bool = False) -> DictConfig:
    assert cli.run  # the module brings the schema of data.poisoned
    with hydra.initialize_config_module("conf", version_base="1.3"):
        return hydra.compose(config, list(overrides), return_hydra_config=hydra_too)


@cache
def first_that_applies(strategy: str) -> tuple[Network, ArraySplit, list[Step]]:
    reasons = []
    for build in NETS:
        network = Network(build())
        images = split(pictures(43, network.input_shape), 5)
        try:
            return network, images, list(instantiate(compose(f"strategy={strategy}").strategy).steps(network, images))
        except NotApplicable as reason:
            reasons.append(str(reason))
    raise AssertionError(f"{strategy} applies to none of the networks: {reasons}")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_steps_go_from_least_to_most_pruned(strategy: str) -> None:
    _, _, steps = first_that_applies(strategy)
    pruned = [step.pruned for step in steps]
    assert steps
    assert pruned == sorted(pruned)
    assert pruned[-1] <= steps[-1].total
    assert len({step.total for step in steps}) == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_masks_fit_the_network_and_hold_zeros_and_ones(strategy: str) -> None:
    network, _, steps = first_that_applies(strategy)
    for step in steps:
        network.check_step(step)
        assert all(set(np.unique(mask)) <= {0, 1} for mask in step.keep.values())
        for layer, weights in step.weights.items():
            shapes = [array.shape for array in network.model.get_layer(layer).get_weights()]
            assert [array.shape for array in weights] == shapes


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_steps_are_the_same_again_and_the_network_is_not_changed(strategy: str) -> None:
    network, images, steps = first_that_applies(strategy)
    before = copies(network.model.get_weights())
    again = list(instantiate(compose(f"strategy={strategy}").strategy).steps(network, images))
    assert same(network.model.get_weights(), before)
    assert len(again) == len(steps)
    for ours, theirs in zip(steps, again, strict=True):
        assert list(ours.keep) == list(theirs.keep)
        assert same(list(ours.keep.values()), list(theirs.keep.values()))
        assert all(same(ours.weights[layer], theirs.weights[layer]) for layer in ours.weights)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_fast_evaluation_of_its_steps_is_the_naive_one(strategy: str) -> None:
    network, images, steps = first_that_applies(strategy)
    labels = predict_steps(network, steps, {"images": images}, lambda _: None)["images"]
    for net, found in zip([network.model, *map(network.pruned, steps)], labels, strict=True):
        assert np.array_equal(found, predict(net, images))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_images_after_the_first_block_count_too(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network, images, steps = first_that_applies(strategy)
    monkeypatch.setattr("fineprune.splits.BLOCK", 10)
    again = list(instantiate(compose(f"strategy={strategy}").strategy).steps(network, images))
    assert [step.pruned for step in again] == [step.pruned for step in steps]
    assert all(same(list(a.keep.values()), list(b.keep.values())) for a, b in zip(steps, again, strict=True))


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_names_something_that_takes_its_settings(choice: str) -> None:
    settings = compose(choice)
    for name in ("attack", "badnet", "data", "finetune", "strategy", "tracking"):
        if settings[name] is not None:
            chosen = dict(OmegaConf.to_container(settings[name], resolve=True))
            inspect.signature(get_object(chosen.pop("_target_"))).bind(**chosen)


@pytest.mark.parametrize("config", sorted(file.stem for file in CONF.glob("*.yaml") if file.stem != "run_folder"))
def test_every_runner_has_its_settings(config: str) -> None:
    assert (CONF.parent / "runners" / f"{config}.py").is_file()
    assert compose(config=config)


def test_every_group_is_looked_at() -> None:
    folders = {file.parent.name for file in CONF.glob("*/*.yaml")}
    assert folders - {"hydra"} <= set(GROUPS)


@pytest.mark.parametrize("preset", sorted(path.stem for path in (CONF / "experiment").glob("*.yaml")))
def test_what_a_preset_sets_is_what_runs(preset: str) -> None:
    written = OmegaConf.load(CONF / "experiment" / f"{preset}.yaml")
    composed = compose(f"experiment={preset}")
    for key, value in written.items():
        if key != "defaults":
            found = composed[key]
            assert OmegaConf.merge(found, value) == found if isinstance(value, DictConfig) else found == value
