"""The benchmarks run, check what they measure, and end with a line of JSON."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from nets import deepid

from benchmarks import growth
from benchmarks.comparison import compare
from benchmarks.subject import subject
from fineprune import evaluation, model_files
from fineprune.network import Network
from fineprune.strategy import Step

ROOT = Path(__file__).parents[1]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    model_files.save_model(deepid(), tmp_path / "deepid.h5")
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
        compare("Two steps", network, [Step({"conv_3": np.arange(60) % 2}), Step({"conv_3": np.zeros(60)})], splits)
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"sweep_over_forward", "naive_over_sweep", "peak_rss_mb", "images"} <= set(figures)
    assert all(value > 0 for value in figures.values())


def test_a_comparison_refuses_labels_that_differ(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Network, "pruned", lambda network, step: deepid(1))
    with subject(40, weights) as (network, splits), pytest.raises(SystemExit, match="expected the naive labels"):
        compare("One step", network, [Step({"conv_3": np.zeros(60)})], splits)


def test_growth_draws(tmp_path: Path) -> None:
    points = {"10": 1.0, "20": 2.0}
    growth.draw(dict.fromkeys(("images", "forward pass", "steps", "channels"), points), tmp_path / "speed.png")
    assert (tmp_path / "speed.png").stat().st_size > 1000


@pytest.mark.slow
def test_startup_is_timed() -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks.startup"], capture_output=True, cwd=ROOT, check=True)
    assert set(json.loads(done.stdout)) == {"help", "wrong_option", "import"}


def test_memory_holds_a_bounded_group_of_blocks() -> None:
    blocks = [[np.zeros((256, 2**13), np.float32)] for _ in range(20)]
    sizes = [len(group) for group in evaluation._grouped(iter(blocks))]
    assert sizes == [8, 8, 4]
    wide = [[np.zeros((256, 2**15), np.float32)] for _ in range(3)]
    assert [len(group) for group in evaluation._grouped(iter(wide))] == [2, 1]
