"""A file is whole, or not there."""

from pathlib import Path

import pytest

from fineprune.errors import FinepruneError
from fineprune.files import digest, write_text, written_aside


def test_what_is_written_takes_its_name_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.txt"
    with written_aside(path) as aside:
        aside.write_text("half")
        assert not path.exists()
        aside.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


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


def test_digest_is_sha_256(tmp_path: Path) -> None:
    write_text(tmp_path / "abc", "abc")
    assert digest(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
