"""Installed from wheels, fineprune and a package that adds to it: nothing generic, whatever folders the user has."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from commands import RUNNERS, once
from wheels import Environment, build, wheel

EXAMPLE = RUNNERS / "examples" / "my_defence"
SIZES = {"data.classes": 3, "data.train": 6, "data.clean_valid": 4, "data.clean_test": 4, "badnet.epochs": 1}
SWEEP = ["grid=mine", "strategy=none,my_defence", "attack=my_attack", "data=my_data"]


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """With both wheels installed, once for all tests."""

    def make(folder: Path) -> None:
        shutil.copytree(EXAMPLE, folder / "example")
        added = build(folder / "example", folder)
        Environment(folder / "environment").make(wheel(tmp_path_factory), added)

    return Environment(once(tmp_path_factory, "installed", make) / "environment")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with packages of the user's own, that are called as those of the checkout."""
    for name in ("conf", "runners", "strategies"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the user’s own')")
    return tmp_path


def settings(values: Mapping[str, object]) -> list[str]:
    return [f"{name}={value}" for name, value in values.items()]


def test_nothing_generic_is_installed(environment: Environment) -> None:
    names = {path.name for path in environment.packages.iterdir()}
    packages = {"fineprune", "fineprune-0.1.0.dist-info", "my_defence", "my_defence-0.1.0.dist-info"}
    assert names == packages | {"tests.pth"}


def test_commands_are_listed(environment: Environment, folder: Path) -> None:
    ended = environment.run(folder, "fineprune", "--help")
    assert (ended.status, ended.err) == (0, "")
    assert "\n  sweep         Prune a BadNet step by step and measure every step\n" in ended.out


def test_a_grid_of_what_was_added_runs_and_again_where_its_code_changed(environment: Environment, folder: Path) -> None:
    command = ["fineprune", "sweep", "-m", *SWEEP, *settings(SIZES)]
    first = environment.run(folder, *command)
    assert first.status == 0, first.err
    assert first.out.splitlines()[-2:] == ["grid mine: 2 finished, 0 failed", "next: fineprune compare grid=mine"]
    helper = environment.packages / "my_defence" / "idleness.py"
    helper.write_text(helper.read_text() + "\n\nCHANGED = True\n")
    again = environment.run(folder, *command)
    assert again.out.splitlines()[-2] == "grid mine: 2 finished (1 of them before), 0 failed", again.err


def test_it_keeps_its_contract(environment: Environment) -> None:
    ended = environment.run(EXAMPLE, "python", "-P", "-m", "pytest", "-p", "no:cacheprovider")
    assert (ended.status, "3 passed" in ended.out) == (0, True), ended.out
