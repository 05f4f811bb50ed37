"""Installed from a wheel: one name in site-packages, one command, and no folder of the user's gets in the way."""

from pathlib import Path

import pytest
from commands import once
from wheels import Environment, wheel

TINY = ["data.identities=3", "data.train=6", "data.clean_valid=4", "data.clean_test=4", "badnet.epochs=1"]
SWEEP = ["grid=mine", "strategy=none,channel_activation", *TINY]


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """With the wheel installed, once for all tests."""
    built = wheel(tmp_path_factory)
    folder = once(tmp_path_factory, "installed", lambda folder: Environment(folder).make(built))
    return Environment(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with packages of the user's own, that are called as those of the checkout."""
    for name in ("conf", "runners", "strategies"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the user’s own')")
    return tmp_path


def test_nothing_generic_is_installed(environment: Environment) -> None:
    names = {path.name for path in environment.packages.iterdir()}
    assert names == {"fineprune", "fineprune-0.1.0.dist-info", "tests.pth"}


def test_its_commands_are_listed(environment: Environment, folder: Path) -> None:
    ended = environment.run(folder, "fineprune", "--help")
    assert (ended.status, ended.err) == (0, "")
    assert "\n  sweep         Prune a BadNet step by step and measure every step\n" in ended.out


def test_a_grid_runs_and_names_the_commands_that_are_there(environment: Environment, folder: Path) -> None:
    ended = environment.run(folder, "fineprune", "sweep", "-m", *SWEEP)
    assert ended.status == 0, ended.err
    assert ended.out.splitlines()[-2:] == ["grid mine: 2 finished, 0 failed", "next: fineprune compare grid=mine"]
