"""A file is whole, or not there."""

import os
import stat
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from fineprune.errors import FinepruneError
from fineprune.files import csv, digest, is_alive, machine, open_own, write_text, written_aside


def test_what_is_written_takes_its_name_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.txt"
    with written_aside(path) as aside:
        aside.write_text("half")
        assert not path.exists()
        aside.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_two_threads_that_write_the_same_file_leave_each_other_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    with written_aside(path) as first, written_aside(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # the block that ends last
    assert list(tmp_path.iterdir()) == [path]


def write_half(path: Path) -> None:
    with written_aside(path) as aside:
        aside.write_text("half")
        raise KeyboardInterrupt


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "result.txt")
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_file_of_before(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    write_text(path, "before")
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_said_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    with pytest.raises(FinepruneError) as error, written_aside(path):
        raise OSError(28, "No space left on device")
    assert str(error.value) == f"expected to write {path}, got: No space left on device; free or choose another place"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence() -> None:
    with pytest.raises(FinepruneError, match="^expected to write /proc/none/result.txt, got: No such file"):
        write_text(Path("/proc/none/result.txt"), "text")


def test_a_file_in_the_folders_place_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("I am a file")
    with pytest.raises(FinepruneError, match="^expected to write .*/folder/result.txt, got: "):
        write_text(tmp_path / "folder" / "result.txt", "text")


@pytest.fixture
def ended() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def half_written(folder: Path, *names: str, hours: float = 0) -> set[str]:
    """Files of these names in `folder`, not changed for some `hours`."""
    for name in names:
        (folder / name).write_text("half")
        os.utime(folder / name, (then := time.time() - 3600 * hours, then))
    return set(names)


def test_what_killed_processes_left_is_removed_and_what_others_write_is_not(tmp_path: Path, ended: int) -> None:
    here = machine()
    half_written(tmp_path, *(f".{here}.{process}.0123abcd.a.txt" for process in (ended, os.getpid())))
    half_written(tmp_path, f".{here}.{ended}.0123abcd.a.txt-journal")
    others = half_written(
        tmp_path,
        f".{here}.{os.getppid()}.0123abcd.a.txt",
        f".{here}.{ended}.0123abcd.b.txt",
        f"{here}.{ended}.0123abcd.a.txt",
        f".{here}.{ended}.a.txt",
    )
    write_text(tmp_path / "a.txt", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", *others}


def test_another_machine_s_half_written_files_are_left_alone_for_a_day(tmp_path: Path, ended: int) -> None:
    kept = half_written(tmp_path, f".0badcafe.{ended}.0123abcd.a.txt", hours=23)
    half_written(tmp_path, f".0badcafe.{os.getppid()}.4567abcd.a.txt", hours=25)
    write_text(tmp_path / "a.txt", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", *kept}


def test_leftovers_that_cannot_be_removed_are_none_of_the_writer_s_business(tmp_path: Path, ended: int) -> None:
    (tmp_path / f".{machine()}.{ended}.0123abcd.a.txt").mkdir()
    write_text(tmp_path / "a.txt", "whole")
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_only_a_file_of_one_name_in_the_folder_itself_is_opened_as_one_s_own(tmp_path: Path) -> None:
    plain, twice = tmp_path / "plain", tmp_path / "twice"
    plain.write_text("mine")
    with open_own(plain) as file:
        assert file.read() == b"mine"
    twice.write_text("somebody's")
    (tmp_path / "hard").hardlink_to(twice)
    (tmp_path / "soft").symlink_to(plain)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("twice", "hard", "soft", "folder", "pipe"):
        with pytest.raises(OSError, match="a link, a folder, a pipe or a device"):
            open_own(tmp_path / name)


def test_which_processes_are_alive(ended: int) -> None:
    assert is_alive(os.getpid())
    assert is_alive(1)
    assert not is_alive(ended)
    assert not is_alive(2**80)


def test_the_file_then_its_name_are_made_to_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on the disk when the machine dies cannot be seen here; that the system is asked, and when, can."""
    asked: list[tuple[bool, bool]] = []
    path = tmp_path / "a.txt"
    monkeypatch.setattr(os, "fsync", lambda file: asked.append((stat.S_ISDIR(os.fstat(file).st_mode), path.exists())))
    write_text(path, "whole")
    assert asked == [(False, False), (True, True)]


def test_digest_is_sha_256(tmp_path: Path) -> None:
    write_text(tmp_path / "abc", "abc")
    assert digest(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_no_text_of_a_csv_file_is_a_formula_and_numbers_are_as_they_were() -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "a=b", ""]
    table = pd.DataFrame({"text": texts, "number": [-1.5, 2, 3, 4, 5, float("nan")]})
    again = pd.read_csv(StringIO(csv(table)), keep_default_na=False, na_values={"number": ""})
    assert list(again["text"]) == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "a=b", ""]
    pd.testing.assert_series_equal(again["number"], table["number"])
