"""A full disk, and one that cannot be written to: one line that says so, wherever it is met, and status 2."""

import errno
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import victims
from victims import SWEEP, said

from fineprune.config import command_line

RUN = (*SWEEP, "tracking=none", "hydra.run.dir=disk/out")
CACHE = (*SWEEP, "tracking=none", "badnet.cache=disk/models")
GRID = ("sweep", "-m", *SWEEP[1:], "seed=0", "tracking=none", "hydra.sweep.dir=disk/out")
STORE = (*SWEEP, "hydra.run.dir=new", "tracking.uri=sqlite:///disk/mlflow.db")
PUBLISH = ("publish", "out", "tracking.experiment=fineprune", "tracking.uri=sqlite:///disk/mlflow.db")
PLACES = {"run folder": RUN, "cache": CACHE, "grid": GRID, "store": STORE}


@pytest.fixture
def folder(given: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder with a trained BadNet and a finished sweep, and in it a disk of 1,100 kB."""
    made = tmp_path / "folder"
    for part in ("models", "out"):
        shutil.copytree(given / part, made / part)
    (made / "disk").mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=1100k", "none", str(made / "disk")], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a disk of its own can only be mounted by root")
    yield made
    subprocess.run(["/bin/umount", str(made / "disk")], check=True)


def check_one_line(folder: Path, command: tuple[str, ...], reason: str) -> None:
    ended = victims.perform(folder, command)
    lines = said(folder).splitlines()
    assert ended.status == 2, lines
    assert len(lines) == 1 and lines[0].startswith("error: expected ") and reason in lines[0], lines


def fill(disk: Path, room: int) -> None:
    """Leave `room` bytes."""
    (disk / "else").write_bytes(b"0" * (1_100 * 1024 - room))


@pytest.mark.parametrize("place", PLACES)
def test_no_room_at_all(place: str, folder: Path) -> None:
    fill(folder / "disk", 0)
    check_one_line(folder, PLACES[place], "No space left on device" if place != "store" else "disk is full")
    left = {path.name for path in (folder / "disk").rglob("*") if path.is_file() and path.suffix != ".lock"}
    assert left == {"else"}


@pytest.mark.parametrize("place", PLACES)
def test_read_only(place: str, folder: Path) -> None:
    subprocess.run(["/bin/mount", "-o", "remount,ro", str(folder / "disk")], check=True)
    check_one_line(folder, PLACES[place], "Read-only file system")


def test_a_net_that_does_not_fit_leaves_no_half_net_and_no_record(folder: Path) -> None:
    check_one_line(folder, RUN, "disk/out/pruned_end.h5, got: No space left on device; free or choose another place")
    left = {path.name for path in (folder / "disk" / "out").iterdir()}
    assert "performance.csv" in left
    assert not left & {"pruned_end.h5", "summary.json", "run.json"}
    assert not [name for name in left if name.startswith(".")]


def test_artifacts_that_do_not_fit_are_logged_when_there_is_room(folder: Path) -> None:
    check_one_line(folder, PUBLISH, "got: [Errno 28] No space left on device; set tracking.uri or tracking=none")
    subprocess.run(["/bin/mount", "-o", "remount,size=9m", str(folder / "disk")], check=True)
    assert victims.perform(folder, PUBLISH).status == 0
    assert len(list((folder / "disk").rglob("pruned_end.h5"))) == 1


def test_room_that_ends_in_an_open_file_is_said_in_a_sentence() -> None:
    said = command_line._line(OSError(errno.ENOSPC, "No space left on device"))
    assert said == "expected room to write, got: No space left on device; free some or choose another place"
    assert command_line._line(OSError(errno.EINVAL, "Invalid argument")) is None
