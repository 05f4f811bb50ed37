"""The benchmarks run, check what they measure, and end with a line of JSON."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from nets import deepid
from samples import split
from steps import keeping

from benchmarks import growth, networks, peers, vetting, waiting
from benchmarks.comparison import compare
from benchmarks.subject import subject
from fineprune.badnets.architectures import resnet
from fineprune.evaluation import predict
from fineprune.files import save_model
from fineprune.network.network import Network
from fineprune.testing.networks import pictures

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Those of a DeepID. Faces are drawn few at a time, since more would be drawn than are asked for."""
    monkeypatch.setattr("benchmarks.subject.PEOPLE", 8)
    monkeypatch.setattr("benchmarks.subject.PICTURES", 4)
    save_model(deepid(), tmp_path / "deepid.h5")
    return tmp_path / "deepid.h5"


def test_images_are_split_as_the_competitions(weights: Path) -> None:
    with subject(37207 // 100, weights) as (network, splits):
        assert {name: len(split) for name, split in splits.items()} == {
            "clean_valid": 115,
            "clean_test": 128,
            "poisoned": 128,
        }
        assert network.classes == 20
        assert not np.array_equal(splits["clean_test"].pixels(0, 9), splits["poisoned"].pixels(0, 9))


def test_a_comparison_ends_with_its_figures(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with subject(40, weights) as (network, splits):
        compare(
            "Two steps", network, [keeping({"conv_3": np.arange(60) % 2}), keeping({"conv_3": np.zeros(60)})], splits
        )
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"sweep_over_forward", "naive_over_sweep", "peak_rss_mb", "images"} <= set(figures)
    assert all(value > 0 for value in figures.values())


def test_a_comparison_refuses_labels_that_differ(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Network, "pruned", lambda network, step: deepid(1))
    with subject(40, weights) as (network, splits), pytest.raises(SystemExit, match="expected the naive labels"):
        compare("One step", network, [keeping({"conv_3": np.zeros(60)})], splits)


def test_every_way_finds_the_same_labels_and_is_counted_for_all_its_nets(weights: Path) -> None:
    with subject(40, weights) as (network, splits):
        steps = [keeping({"conv_3": np.arange(60) >= channel}) for channel in (10, 30, 60)]
        found = {"fineprune": peers.ours(network, steps, splits)}
        found |= {way: peers.theirs(way, network, steps, splits) for way in peers.PEERS}
    assert [each.evaluations for each in found.values()] == [4, 4, 4, 20]
    assert all(np.shape(each.labels) == (3, 38) and each.labels == found["lab"].labels for each in found.values())


def test_ways_are_related_to_this_one_in_all_and_for_a_net() -> None:
    def took(seconds: float, nets: int, label: int) -> peers.Measured:
        return peers.Measured(seconds, nets, 100.0, [[0, label]])

    rows, figures = peers.table({"fineprune": took(2, 60, 1), "backdoorbench": took(10, 20, 3)})
    assert rows["backdoorbench"] == "10.0 s for 20 nets, 5.0 × (a net 15.0 ×), 100 MB, 1 other labels"
    assert figures["backdoorbench"] == {"over_fineprune": 5.0, "a_net": 15.0, "peak_rss_mb": 100}


def test_other_networks_are_swept_in_their_last_and_in_every_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "NETWORKS", {resnet: 80})
    figures = dict(networks.sweeps({"images": split(pictures(9, networks.SHAPE), classes=networks.CLASSES)}))
    assert {what: each["images"] for what, each in figures.items()} == {
        "resnet, the last layer": 9,
        "resnet, every layer, 80 channels a step": 9,
    }


def test_vetting_is_measured_against_reading_in_place(tmp_path: Path) -> None:
    vetting.write(tmp_path / "images.h5", 300, compression="gzip")
    figures = vetting.measure(tmp_path / "images.h5")
    assert figures["vetting_s"] > 0.05  # at the least a process that starts
    assert len(figures) == 5
    assert 0 < vetting.of_small_file(tmp_path / "small.h5") < 2  # a bound for a busy machine; it takes 0.3 at most


def test_growth_draws(tmp_path: Path) -> None:
    points = {"10": 1.0, "20": 2.0}
    growth.draw(dict.fromkeys(("images", "forward pass", "steps", "channels"), points), tmp_path / "speed.png")
    assert (tmp_path / "speed.png").stat().st_size > 1000


@pytest.mark.end_to_end
def test_startup_is_timed() -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks.startup"], capture_output=True, cwd=ROOT, check=True)
    assert set(json.loads(done.stdout)) == {"help", "wrong_option", "import"}


def test_memory_holds_a_bounded_group_of_blocks() -> None:
    blocks = [[np.zeros((256, 2**13), np.float32)] for _ in range(20)]
    sizes = [len(group) for group in predict._grouped(iter(blocks))]
    assert sizes == [8, 8, 4]
    wide = [[np.zeros((256, 2**15), np.float32)] for _ in range(3)]
    assert [len(group) for group in predict._grouped(iter(wide))] == [2, 1]


def test_processor_seconds_are_those_of_the_command(tmp_path: Path) -> None:
    assert 0.05 < waiting.processor_seconds(tmp_path, "sweep", "--help") < 60


def test_a_further_job_costs_what_a_grid_does_beyond_a_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[tuple[str, ...]] = []

    def seconds(_: Path, *command: str) -> float:
        entered.append(command)
        if command[0] == "compare":
            return 5.0
        return 8.0 + 11 * 1.5 if "-m" in command else {0: 20.0, 1: 9.0, 2: 8.0, 3: 10.0}[len(entered) - 1]

    monkeypatch.setattr(waiting, "processor_seconds", seconds)
    assert waiting.measured() == {"first_run": 20.0, "warm_run": 8.0, "further_job": 1.5, "compare": 5.0}
    assert sum("-m" in command for command in entered) * len(waiting.CHUNKS) == 36
