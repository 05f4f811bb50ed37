"""A study: grids that share one name, go on where they were stopped, and end in a comparison."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from commands import Ended, run
from nets import tiny
from samples import pictures, write_h5

from fineprune.errors import ConfigError
from fineprune.files import save_model
from runners.study import Part, Ran, Study, check_more, progress

MINE = """
name: mine
always: data=h5 data.clean_valid=valid.h5 data.clean_test=test.h5 data.poisoned.dot=test.h5 seed=0
blocks:
  one:
    networks:
      - badnet=h5 badnet.model=net.h5
    methods:
      - strategy=none,channel_activation
      - strategy=bnp strategy.chunk=0
"""


def study(folder: Path, *settings: str) -> Ended:
    return run(folder, "study", "--config-dir", ".", "study=mine", *settings)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A network, images that fit it, and a study of them."""
    save_model(tiny(), tmp_path / "net.h5")
    for seed, name in enumerate(("valid", "test")):
        write_h5(tmp_path / f"{name}.h5", pictures(40, seed=seed), np.arange(40) % 5)
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "mine.yaml").write_text(MINE)
    return tmp_path


@pytest.mark.end_to_end
def test_a_study_is_compared_whatever_fails_and_goes_on_where_it_was_stopped(folder: Path) -> None:
    first = study(folder, "hydra.run.dir=out")
    assert first.status == 2
    assert "channel_activation" in (folder / "out" / "ranking.csv").read_text()
    assert first.out.splitlines()[-1] == "mine: 2 finished, 1 failed"
    last = first.err.splitlines()[-1]
    (command,) = (line for line in first.out.splitlines() if "strategy=bnp" in line)
    assert last.startswith(
        f"failed: {command.split(': ')[-1]}: job 1 of 1: expected strategy.chunk to be a whole number ≥ 1, got 0"
    )
    (folder / "study" / "mine.yaml").write_text(MINE.replace("chunk=0", "chunk=1"))
    again = study(folder)
    assert (again.status, again.err) == (0, "")
    assert again.out.splitlines()[-1] == "mine: 2 finished (2 of them before), 1 not applicable, 0 failed"


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    "wrong",
    [
        (
            "name: mine",
            "name: my study",
            "expected study.name to be a name of letters, digits, -, _ and ., got 'my study'",
        ),
        ("    methods:", "    method:", "expected study.blocks to be blocks of networks and methods, lists of lines"),
    ],
)
def test_a_study_that_says_something_else_is_refused_at_once(folder: Path, wrong: tuple[str, str, str]) -> None:
    right, other, message = wrong
    (folder / "study" / "mine.yaml").write_text(MINE.replace(right, other))
    ended = study(folder)
    assert ended.status == 2
    assert ended.err.startswith(f"error: {message}")
    assert ended.err.count("\n") == 1
    assert not (folder / "outputs").exists()


@pytest.mark.parametrize("more", ["data=gtsrb", "badnet.cache=elsewhere", "seed=3"])
def test_more_leaves_the_networks_as_they_are(more: str) -> None:
    with pytest.raises(ConfigError, match=f"^expected more to leave the networks as they are, got {more}: "):
        check_more(f"quiet=true {more}")
    assert check_more("hydra/launcher=joblib tracking.experiment=mine") and check_more(None) == ""


def test_networks_are_trained_before_the_block_is_swept() -> None:
    block = {"networks": ("attack=patch,warp", "badnet=h5 badnet.model=net.h5"), "methods": ("strategy=none,tac",)}
    parts = list(Study("mine", "seed=0,1", {"one": block}).parts("quiet=true"))
    assert parts == [
        Part("train_badnet", ["seed=0,1", "attack=patch,warp"]),
        Part("sweep", ["grid=mine", "seed=0,1", "attack=patch,warp", "strategy=none,tac", "quiet=true"]),
        Part("sweep", ["grid=mine", "seed=0,1", "badnet=h5", "badnet.model=net.h5", "strategy=none,tac", "quiet=true"]),
    ]
    assert [part.count for part in parts] == [4, 8, 4]


def test_a_launcher_runs_the_training_too() -> None:
    block = {"networks": ("attack=patch",), "methods": ("strategy=none",)}
    launcher = ["hydra/launcher=ray", "hydra.launcher.n_jobs=4"]
    trained, swept = Study("mine", "seed=0", {"one": block}).parts(shlex.join(["quiet=true", *launcher]))
    assert trained == Part("train_badnet", ["seed=0", "attack=patch", *launcher])
    assert swept.overrides[-3:] == ["quiet=true", *launcher]


def test_what_is_left_is_estimated_from_the_parts_that_ran() -> None:
    part = Part("sweep", [])
    skipped = Ran(part, 0, [{"state": "finished before"}], 5)
    ran = Ran(part, 0, [{"state": "finished"}, {"state": "finished"}], 240)
    assert progress([], 10) == "0 of 10 jobs"
    assert progress([skipped], 10) == "1 of 10 jobs"
    assert progress([skipped, ran], 10) == "3 of 10 jobs, about 14 min left"
