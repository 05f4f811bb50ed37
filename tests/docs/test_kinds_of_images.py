"""Each row of the tables of image files in docs/how_to/data.md happens as it says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fineprune.data import h5, image_folder, npz
from fineprune.data.split import Data, Split
from fineprune.errors import DataError

PAGE = (Path(__file__).parents[2] / "docs" / "how_to" / "data.md").read_text()
PIXELS = np.random.default_rng(0).integers(1, 256, (6, 5, 4, 3), np.uint8)
PIXELS[0, 0, 0] = (255, 0, 255)
LABELS = np.array([0, 2, 1, 1, 0, 2])
FIRST = PIXELS.transpose(0, 3, 1, 2)


def rows(heading: str) -> dict[str, str]:
    table = PAGE.partition(heading)[2].partition("\n\n")[0]
    return dict(row.strip("| ").split(" | ")[:2] for row in table.strip().splitlines())


READ = rows("| the files have | setting |\n|---|---|\n")
REFUSED = rows("| the files have | what happens |\n|---|---|\n")


@dataclass(frozen=True)
class Given:
    """Arrays for a file, and the settings that read them as PIXELS and LABELS."""

    arrays: dict[str, NDArray[Any]] = field(default_factory=lambda: {"data": FIRST, "label": LABELS})
    settings: dict[str, Any] = field(default_factory=dict)
    pixels: NDArray[Any] = field(default_factory=lambda: PIXELS)


def given(data: NDArray[Any] = FIRST, label: NDArray[Any] = LABELS, **settings: Any) -> Given:
    return Given({"data": data, "label": label}, settings)


def written(path: Path, arrays: dict[str, NDArray[Any]]) -> str:
    if path.suffix == ".npz":
        np.savez(path, **arrays)  # type: ignore[arg-type]
    else:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    return path.name


def split_of(folder: Path, given: Given, suffix: str) -> Split:
    source = h5 if suffix == "h5" else npz
    settings = {"images": "data", "labels": "label"} | given.settings
    found = source("mine", 1, str(folder), clean_test=written(folder / f"a.{suffix}", given.arrays), **settings)
    assert found.clean_test is not None
    return found.clean_test


BILINEAR = np.stack([Image.fromarray(each).resize((3, 2), Image.Resampling.BILINEAR) for each in PIXELS])
ACCEPTED: dict[str, list[Given]] = {
    "other names than `data` and `label`": [Given({"x": FIRST, "y": LABELS}, {"images": "x", "labels": "y"})],
    "several splits in one file, as `x_train`, `x_valid`, `x_test` and `x_NAME` of a trigger": [
        Given(
            {"x_train": FIRST[:1], "y_train": LABELS[:1], "x_test": FIRST, "y_test": LABELS},
            {"images": "x_*", "labels": "y_*"},
        )
    ],
    "channels first, (N, 3, H, W), last, (N, H, W, 3), or, in gray, none, (N, H, W)": [
        given(FIRST),
        given(PIXELS),
        Given({"data": PIXELS[..., 0], "label": LABELS}, pixels=PIXELS[..., :1]),
    ],
    "labels (N,), (N, 1) or one-hot, (N, classes)": [
        given(label=label) for label in (LABELS, LABELS[:, None], np.eye(3)[LABELS])
    ],
    "labels from 1, or one-hot ones that leave place 0 empty": [
        given(label=label, first_label=1) for label in (LABELS + 1, np.eye(4)[LABELS + 1])
    ],
    "pixels from 0 to 1": [given((FIRST / 255).astype(np.float32), stored_range=[0, 1])],
    "pixels x/127.5 − 1": [given((FIRST / 127.5 - 1).astype(np.float32), stored_range=[-1, 1])],
    "another size than the network's": [Given({"data": FIRST, "label": LABELS}, {"resize": [2, 3]}, BILINEAR)],
}


@pytest.mark.parametrize("suffix", ["h5", "npz"])
@pytest.mark.parametrize("row", ACCEPTED)
@pytest.mark.slow
def test_is_read_as_the_same_images(row: str, suffix: str, tmp_path: Path) -> None:
    for each in ACCEPTED[row]:
        split = split_of(tmp_path, each, suffix)
        assert split.pixels(0, 6) == pytest.approx(each.pixels, abs=1e-4)
        assert split.labels.tolist() == LABELS.tolist()


TRUE = "true classes beside the target under another name than `true_label`"


def test_true_classes_beside_the_target(tmp_path: Path) -> None:
    arrays = {"data": FIRST, "label": np.zeros(6), "shown": LABELS}
    poisoned = {"hat": written(tmp_path / "a.h5", arrays)}
    split = h5("mine", 1, str(tmp_path), poisoned=poisoned, true_labels="shown").poisoned["hat"]
    assert split.true_labels is not None and split.true_labels.tolist() == LABELS.tolist()


def folder_of(root: Path, sizes: tuple[tuple[int, int], ...] = ((4, 5), (4, 5)), beside: str = "") -> Data:
    for number, size in enumerate(sizes):
        (root / "test" / f"class_{number}").mkdir(parents=True)
        Image.fromarray(PIXELS[number]).resize(size).save(root / "test" / f"class_{number}" / "a.png")
    if beside:
        (root / "test" / "class_0" / beside).write_bytes(b"of nothing")
    return image_folder("mine", 1, str(root), 0.5, 0, train=None, clean_test="test")


@pytest.mark.parametrize("kind", ["png", "bmp", "ppm", "jpg", "webp"])
def test_image_files_in_a_folder_for_each_class(kind: str, tmp_path: Path) -> None:
    expected = []
    for number, label in enumerate(LABELS[:3]):
        path = tmp_path / "test" / f"class_{label}" / f"a.{kind}"
        path.parent.mkdir(parents=True)
        Image.fromarray(PIXELS[number]).save(path)
    expected = [np.asarray(Image.open(tmp_path / "test" / f"class_{label}" / f"a.{kind}")) for label in range(3)]
    split = image_folder("mine", 1, str(tmp_path), 0.5, 0, train=None, clean_test="test").clean_test
    assert split is not None and split.labels.tolist() == [0, 1, 2]
    assert np.array_equal(split.pixels(0, 3), np.stack(expected))


def test_images_of_several_sizes_are_refused_in_the_words_of_the_table(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        folder_of(tmp_path, ((4, 5), (6, 5)))
    row = REFUSED["images of several sizes in a folder"]
    assert row.strip("`") in str(error.value)


def test_a_file_that_is_no_image_is_refused_in_the_words_of_the_table(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        folder_of(tmp_path, beside="notes.txt")
    assert REFUSED["a file among the images that is none"].strip("`") in str(error.value)


UNREADABLE: dict[str, tuple[str, Callable[[], Given]]] = {
    "3 channels and 3 rows or columns": ("h5", lambda: given(FIRST[:, :, :3, :3])),
    "pixels from 0 to 1, without `data.stored_range`": ("h5", lambda: given(FIRST / 255)),
    "pixels below 0": ("h5", lambda: given(FIRST / 127.5 - 1)),
    "pixels whose mean was subtracted": ("npz", lambda: given(FIRST - 120.0)),
    "16 bits a pixel": ("npz", lambda: given(FIRST.astype(np.uint16) * 256)),
    "other names": ("npz", lambda: Given({"x": FIRST, "y": LABELS})),
    "labels that are no whole numbers": ("h5", lambda: given(label=LABELS + 0.5)),
    "arrays of objects, which are pickles": ("npz", lambda: given(label=np.array([{}] * 6))),
}


@pytest.mark.parametrize("row", UNREADABLE)
@pytest.mark.slow
def test_is_refused_in_the_words_of_the_table(row: str, tmp_path: Path) -> None:
    suffix, made = UNREADABLE[row]
    with pytest.raises(DataError) as error:
        split_of(tmp_path, made(), suffix)
    assert REFUSED[row].partition("` in `")[0].strip("`") in str(error.value)


def test_every_row_is_entered_here() -> None:
    assert {*ACCEPTED, TRUE} == set(READ)
    assert {*UNREADABLE, "images of several sizes in a folder", "a file among the images that is none"} == set(REFUSED)
