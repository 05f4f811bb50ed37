"""Drawn faces are kept: read back as they were drawn, and drawn again where the file is not as it was written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fineprune.data import synthetic_faces
from fineprune.data.faces import Faces, draw_faces, kept
from fineprune.data.faces.kept import kept_faces

ASKED = (3, 4, "train", 5)


def equal(one: Faces, other: Faces) -> bool:
    return all(np.array_equal(vars(one)[name], vars(other)[name]) for name in ("pixels", "labels", "landmarks"))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What is asked to be drawn from now on."""
    calls: list[tuple[object, ...]] = []

    def draw(*asked: object) -> Faces:
        calls.append(asked)
        return draw_faces(*asked)

    monkeypatch.setattr(kept, "draw_faces", draw)
    return calls


def test_faces_are_drawn_once_and_read_as_they_were(tmp_path: Path, drawn: list[tuple[object, ...]]) -> None:
    first, second = kept_faces(tmp_path, *ASKED), kept_faces(tmp_path, *ASKED)
    assert drawn == [ASKED]
    assert equal(first, draw_faces(*ASKED))
    assert equal(second, first)
    with pytest.raises(ValueError, match="read-only"):
        second.pixels[0] = 0


@pytest.mark.parametrize("other", [(2, 4, "train", 5), (3, 3, "train", 5), (3, 4, "clean_test", 5), (3, 4, "train", 6)])
def test_other_faces_are_others(tmp_path: Path, drawn: list[tuple[object, ...]], other: tuple[object, ...]) -> None:
    kept_faces(tmp_path, *ASKED)
    assert equal(kept_faces(tmp_path, *other), draw_faces(*other))
    assert drawn == [ASKED, other]


def test_another_way_to_draw_draws_again(
    tmp_path: Path, drawn: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_faces(tmp_path, *ASKED)
    monkeypatch.setattr(kept, "_version", lambda: "another")
    kept_faces(tmp_path, *ASKED)
    assert drawn == [ASKED, ASKED]


def flipped(content: bytes) -> bytes:
    """With one bit of the pixels the other way round."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        flipped,
        lambda content: content[: len(content) // 2],
        lambda _: b"",
        lambda _: b"PK\x03\x04",
        lambda _: b"\0" * 9,
    ],
    ids=["a bit", "half", "empty", "a beginning", "zeros"],
)
def test_a_damaged_file_is_drawn_again(
    tmp_path: Path, drawn: list[tuple[object, ...]], damage: Callable[[bytes], bytes]
) -> None:
    faces = kept_faces(tmp_path, *ASKED)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert equal(kept_faces(tmp_path, *ASKED), faces)
    assert drawn == [ASKED, ASKED]
    assert file.read_bytes() == whole


@pytest.mark.slow
def test_whatever_byte_is_damaged_the_faces_are_those_that_were_drawn(tmp_path: Path) -> None:
    faces = kept_faces(tmp_path, 1, 1, "train", 0)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    around = [*range(190), *range(len(whole) - 420, len(whole))]  # headers, landmarks, and the list at the end
    for place in around:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ (0x01, 0x20, 0x80)[place % 3]]) + whole[place + 1 :])
        found = kept._read(file, faces.labels)
        assert found is None or equal(found, faces)


@pytest.mark.parametrize(
    ("pixels", "landmarks"),
    [
        (np.zeros((12, 55, 47, 3), np.float32), np.zeros((12, 4, 2), np.float32)),
        (np.zeros((12, 8, 8, 3), np.uint8), np.zeros((12, 4, 2), np.float32)),
        (np.zeros((12, 55, 47, 3), np.uint8), np.zeros((12, 4, 2))),
        (np.zeros((11, 55, 47, 3), np.uint8), np.zeros((12, 4, 2), np.float32)),
    ],
    ids=["kind of pixels", "size", "kind of landmarks", "number"],
)
def test_a_file_of_other_arrays_is_drawn_again(
    tmp_path: Path, drawn: list[tuple[object, ...]], pixels: np.ndarray, landmarks: np.ndarray
) -> None:
    kept_faces(tmp_path, *ASKED)
    (file,) = tmp_path.iterdir()
    with file.open("wb") as stream:
        np.savez(stream, pixels=pixels, landmarks=landmarks)
    kept_faces(tmp_path, *ASKED)
    assert drawn == [ASKED, ASKED]


def test_a_file_of_pickles_is_not_unpickled(tmp_path: Path, drawn: list[tuple[object, ...]]) -> None:
    kept_faces(tmp_path, *ASKED)
    (file,) = tmp_path.iterdir()
    with file.open("wb") as stream:
        np.savez(stream, pixels=np.array([print], object), landmarks=np.zeros(1))
    kept_faces(tmp_path, *ASKED)
    assert drawn == [ASKED, ASKED]


def test_a_folder_that_takes_no_file_is_done_without(tmp_path: Path, drawn: list[tuple[object, ...]]) -> None:
    (tmp_path / "a file").touch()
    assert equal(kept_faces(tmp_path / "a file", *ASKED), draw_faces(*ASKED))
    assert drawn == [ASKED]


def test_jobs_of_a_grid_share_splits(tmp_path: Path) -> None:
    settings = {"identities": 3, "train": 2, "clean_valid": 2, "clean_test": 2, "seed": 0, "cache": str(tmp_path)}
    one, other = (synthetic_faces("faces", pixel_scale=1.0, **settings) for _ in range(2))
    assert (one.train, one.clean_valid, one.clean_test) == (other.train, other.clean_valid, other.clean_test)
    assert synthetic_faces("faces", pixel_scale=0.5, **settings).train is not one.train
