"""The account that a grid keeps of its jobs: named, counted, and summed up whatever becomes of them."""

import shlex
from pathlib import Path

import pytest
from settings import CHOICES, compose

from fineprune.config import grids
from fineprune.config.grids import Grid
from fineprune.config.instantiate import flat

pytestmark = pytest.mark.slow


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    made = Grid(tmp_path / "grid")
    made.begin(name="faces", varied=["strategy", "seed"], jobs=8)
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time.time() says next, one after the other."""
    times: list[float] = []
    monkeypatch.setattr("fineprune.config.grids.time.time", lambda: times.pop(0))
    return times


def test_a_job_is_called_by_what_tells_it_from_others(grid: Grid) -> None:
    assert grid.title(2, ["strategy=none", "data=h5", "seed=1"]) == "job 3 of 8: strategy=none seed=1"


def test_how_far_a_grid_is(grid: Grid, clock: list[float]) -> None:
    clock += [0, 10, 10, 11, 11, 41, 41, 41]
    for job, state in enumerate([grids.FINISHED, grids.BEFORE, grids.FINISHED]):
        grid.note(job, "started", title="")
        grid.note(job, state)
    grid.note(3, "started", title="")
    grid.note(4, "started", title="")
    # Two took 10 and 30 s; five are left, two at a time.
    assert grids.progress(grid) == "3 finished (1 of them before), 0 failed, 2 running, about 50 s left"


def test_one_command_logs_what_the_store_did_not_take(grid: Grid, capsys: pytest.CaptureFixture[str]) -> None:
    grid.begin(name="faces", varied=["seed"], jobs=3)
    for job, logged in enumerate([True, False, False]):
        grid.note(job, grids.FINISHED, logged=logged)
    settings = compose(f"hydra.sweep.dir={grid.folder}", "tracking.experiment=mine", hydra_too=True)
    grids.Multirun().on_multirun_end(settings)
    assert capsys.readouterr().err == (
        "warning: 2 of 3 jobs not logged yet. Their results are whole: later, "
        f"python -m runners.publish {grid.folder} tracking.experiment=mine\n"
    )


def test_what_became_of_a_grid(grid: Grid, capsys: pytest.CaptureFixture[str]) -> None:
    grid.begin(name="faces", varied=["seed"], jobs=3)
    grid.note(0, "started", title="job 1 of 3: seed=0")
    grid.note(0, grids.FAILED, reason="expected this, got that", mistake=True)
    grid.note(1, grids.INAPPLICABLE)
    grid.note(2, grids.BEFORE)
    settings = compose(f"hydra.sweep.dir={grid.folder}", hydra_too=True)
    with pytest.raises(SystemExit) as left:
        grids.Multirun().on_multirun_end(settings)
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "grid faces: 1 finished (1 of them before), 1 not applicable, 1 failed",
        "next: python -m runners.compare grid=faces",
    ]
    assert said.err == "failed: job 1 of 3: seed=0: expected this, got that\n"
    assert left.value.code == 2


@pytest.mark.parametrize("known", [True, False])
def test_a_job_that_never_ended_has_failed(grid: Grid, known: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Its process was killed, within the job or before; the latter shows where their number is known."""
    grid.begin(name="faces", varied=["seed"], jobs=3 if known else None)
    grid.note(0, "started", title="job 1: seed=0")
    grid.note(1, "started", title="job 2: seed=1")
    grid.note(1, grids.FINISHED)
    with pytest.raises(SystemExit) as left:
        grids.Multirun().on_multirun_end(compose(f"hydra.sweep.dir={grid.folder}", hydra_too=True))
    said = capsys.readouterr()
    assert said.out.startswith(f"grid faces: 1 finished, {1 + known} failed\n")
    titles = ["job 1: seed=0", "job 3 of 3"] if known else ["job 1: seed=0"]
    assert said.err.splitlines() == [f"failed: {title}: {grids.KILLED}" for title in titles]
    assert left.value.code == 1


def test_what_makes_the_results_of_jobs_doubtful_is_printed_once_a_grid(
    grid: Grid, capsys: pytest.CaptureFixture[str]
) -> None:
    grid.begin(name="faces", varied=["seed"], jobs=3)
    for job, doubts in enumerate([["the BadNet guesses"], [], ["the BadNet guesses", "one\nmore"]]):
        grid.note(job, grids.FINISHED, doubts=doubts)
    grids.Multirun().on_multirun_end(compose(f"hydra.sweep.dir={grid.folder}", hydra_too=True))
    assert capsys.readouterr().err.splitlines() == [
        "warning: in 2 of 3 jobs, the BadNet guesses",
        "warning: in 1 of 3 jobs, one more",
    ]


@pytest.mark.parametrize(
    ("name", "state", "overrides", "command"),
    [
        ("faces", grids.FINISHED, ["tracking.experiment='a b'"], "grid=faces 'tracking.experiment='\"'\"'a b'\"'\"''"),
        ("3e2910", grids.BEFORE, [], "'grid=\"3e2910\"'"),  # infinity to Hydra
        ("faces", grids.INAPPLICABLE, [], None),
        ("faces", grids.FINISHED, ["tracking=none"], None),
    ],
)
def test_the_command_that_compares_a_grid(
    name: str, state: str, overrides: list[str], command: str | None, tmp_path: Path
) -> None:
    grid = Grid(tmp_path)
    grid.begin(name=name, varied=["seed"], jobs=1)
    grid.note(0, state)
    text = grids.comparison(compose(*overrides, hydra_too=True), grid)
    assert text == (f"python -m runners.compare {command}" if command else "")
    for setting in shlex.split(text)[3:4]:
        assert compose(setting, config="compare").grid == name


@pytest.mark.parametrize("choice", CHOICES)
def test_the_seed_moves_every_seed_and_nothing_else(choice: str) -> None:
    one, other = (flat(compose(choice, "seed=11" if seed else "seed=10")) for seed in (0, 1))
    assert {key for key in one if one[key] != other[key]} == {key for key in one if key.split(".")[-1] == "seed"}


def test_jobs_whose_badnet_was_not_trained_are_told_from_those_that_were_killed(grid: Grid) -> None:
    grid.begin(name="faces", varied=["seed"], jobs=3)
    for job in (0, 1):
        grid.note(job, grids.WAITING, title=f"job {job + 1} of 3: seed={job}")
    grid.note(1, grids.READY)
    assert grids.progress(grid) == "0 finished, 0 failed, 0 running"
    grid.note_killed()
    reasons = [job["reason"] for job in grid.jobs()]
    assert reasons == [f"{grids.UNTRAINED}: {grids.KILLED}", grids.KILLED, grids.KILLED]


def test_a_job_that_was_given_up_and_began_all_the_same_is_killed_as_any_other(grid: Grid) -> None:
    grid.begin(name="faces", varied=["seed"], jobs=1)
    grid.note(0, grids.FAILED, reason=grids.UNTRAINED, mistake=False)
    grid.note(0, grids.STARTED)
    assert grids.progress(grid) == "0 finished, 0 failed, 1 running"
    grid.note_killed()
    assert [job["reason"] for job in grid.jobs()] == [grids.KILLED]
