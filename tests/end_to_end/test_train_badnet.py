"""Training BadNets from the command line, and listing them."""

import json
from pathlib import Path

import pandas as pd
import pytest
from commands import once, run
from PIL import Image

SMALL = ["data.identities=3", "data.train=6", "data.clean_valid=2", "data.clean_test=4", "badnet.epochs=2"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a grid: two attacks and the control."""
    return once(tmp_path_factory, "trained", train)


def train(folder: Path) -> None:
    attacks = "attack=multi_trigger_multi_target,warp,clean"
    ended = run(folder, "train_badnet", "-m", attacks, *SMALL, "hydra.sweep.dir=out")
    assert ended.status == 0, ended.err
    assert [line.split(":")[0] for line in ended.out.splitlines()[:-1]] == [f"job {job} of 3" for job in (1, 2, 3)]


def test_each_leaves_a_card_that_says_its_rates(trained: Path) -> None:
    cards = [json.loads((trained / "out" / str(job) / "card.json").read_text()) for job in range(3)]
    assert [card["attack"]["name"] for card in cards] == ["multi_trigger_multi_target", "warp", "clean"]
    assert [list(card["asr"]) for card in cards] == [["sunglasses", "lipstick", "eyebrows"], ["warp"], []]
    for card in cards:
        assert (trained / "models" / card["network"]).is_file()
        assert len(card["epochs"]) == 2
        assert card["epochs"][-1] == {"clean_test": card["clean_accuracy"], **card["asr"]}


def test_triggers_are_shown_and_none_where_there_is_none(trained: Path) -> None:
    sizes = []
    for job in range(2):
        with Image.open(trained / "out" / str(job) / "triggers.png") as sheet:
            sizes.append(sheet.size)
        assert (trained / "out" / str(job) / "triggers.pdf").read_bytes().startswith(b"%PDF")
    three, one = sizes
    assert three[0] == one[0] and three[1] > 2 * one[1]
    assert not list((trained / "out" / "2").glob("triggers.*"))


def test_they_are_listed(trained: Path) -> None:
    ended = run(trained, "badnets", "hydra.run.dir=list")
    assert (ended.status, ended.err) == (0, "")
    each = pd.read_csv(trained / "list" / "badnets.csv").fillna({"trigger": ""})
    assert sorted(each["trigger"]) == ["", "eyebrows", "lipstick", "sunglasses", "warp"]
    assert (trained / "list" / "badnets.md").read_text().count("\n") == 2 + 5
    assert all(trigger in ended.out for trigger in each["trigger"])


def test_the_residual_network_is_swept_with_a_pruning_aware_backdoor(tmp_path: Path) -> None:
    settings = ["architecture=resnet", "attack=patch", "attack.pruning_aware=true", "tracking=none"]
    ended = run(tmp_path, "sweep", *SMALL, *settings, "strategy.chunk=24", "hydra.run.dir=resnet")
    assert ended.status == 0, ended.err
    summary = json.loads((tmp_path / "resnet" / "summary.json").read_text())
    assert (summary["attack"], summary["architecture"]) == ("patch (pruning-aware)", "resnet")


def test_a_network_from_a_file_is_not_trained(trained: Path) -> None:
    net = next((trained / "models").glob("*-clean-*.h5"))
    ended = run(trained, "train_badnet", "badnet=h5", f"badnet.model={net}", "hydra.run.dir=none")
    assert ended.status == 2
    assert ended.err == "error: expected badnet=trained, got a network from a file: set badnet=trained\n"
    assert not (trained / "none").exists()
