"""Images to be classified: a file, a folder of files, or an array, each with its name."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import pictures, write_h5

from fineprune.data.unlabelled import unlabelled
from fineprune.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, one of them in a folder of its own, and what is to be passed over."""
    (tmp_path / "more").mkdir()
    (tmp_path / ".git").mkdir()
    for number, name in enumerate(("b.png", "more/c.bmp", "a.PNG", ".hidden.png", ".git/d.png")):
        Image.fromarray(pictures(5)[number]).save(tmp_path / name)
    (tmp_path / ".git" / "config").write_text("not an image")
    return tmp_path


def test_a_folder_gives_each_image_the_name_of_its_file(folder: Path) -> None:
    names, images, _ = unlabelled(str(folder), "1/255")
    assert names == ["a.PNG", "b.png", "more/c.bmp"]
    assert np.array_equal(images.pixels(0, 3), pictures(5)[[2, 0, 1]])
    assert images.inputs(0, 1).max() <= 1


def test_files_of_other_kinds_are_pointed_out(folder: Path) -> None:
    for name in ("README.txt", "more/d.tiff"):
        (folder / name).write_bytes(b"")
    assert unlabelled(str(folder), 1).left_out.startswith(
        "files left out: 2, the first README.txt; images are .bmp, .jpeg, "
    )
    assert unlabelled(str(folder / "more"), 1).left_out.startswith("files left out: 1, the first d.tiff; ")


def test_where_all_are_images_none_is_left_out(folder: Path) -> None:
    assert unlabelled(str(folder), 1).left_out == ""


def test_names_stay_with_their_images_whatever_lies_between_them(folder: Path) -> None:
    """A folder that is called as an image is called is no image; images lie at any depth, under names of any bytes."""
    (folder / "aa.png" / "deep").mkdir(parents=True)
    odd = os.fsdecode(b"more/d\xff.png")
    for number, name in enumerate(("aa.png/x.png", "aa.png/deep/y.png", odd)):
        Image.fromarray(pictures(8)[5 + number]).save(folder / name)
    names, images, _ = unlabelled(str(folder), 1)
    assert names == ["a.PNG", "aa.png/deep/y.png", "aa.png/x.png", "b.png", "more/c.bmp", r"more/d\udcff.png"]
    assert np.array_equal(images.pixels(0, 6)[[1, 2, 5]], pictures(8)[[6, 5, 7]])


def test_a_single_image_may_be_a_link(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    link = tmp_path_factory.mktemp("elsewhere") / "link.png"
    link.symlink_to(folder / "b.png")
    names, images, _ = unlabelled(str(link), 1)
    assert (names, len(images)) == (["link.png"], 1)
    assert np.array_equal(images.inputs(0, 1), pictures(5)[:1])


def test_images_are_resized(folder: Path) -> None:
    _, images, _ = unlabelled(str(folder), 1, resize=[6, 5])
    assert images.shape == (6, 5, 3)


def test_of_an_array_labels_are_neither_needed_nor_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=pictures(4))
    write_h5(tmp_path / "a.h5", pictures(4), np.full(4, 0.5))
    for name, setting in (("a.npz", {"images": "x"}), ("a.h5", {})):
        names, images, _ = unlabelled(str(tmp_path / name), 1, **setting)
        assert names == ["0", "1", "2", "3"]
        assert np.array_equal(images.pixels(0, 4), pictures(4))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere", "expected an image, a folder of images, an HDF5 or an .npz file at .*nowhere, got: No such file"),
        (".git/none", "expected an image, a folder of images, an HDF5 or an .npz file at .*, got: No such file"),
        ("empty", "expected image files in .*empty, .bmp, .jpeg, .* got none: set images to another folder"),
        (".git/config", "expected images alone, of JPEG, .* got .*config: cannot identify image file"),
        ("none.h5", "expected the given images at .*none.h5, got no such file"),
    ],
)
def test_what_is_no_image_is_refused(folder: Path, path: str, said: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match=said):
        unlabelled(str(folder / path), 1)


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    Image.fromarray(pictures(1)[0]).save(outside / "a.png")
    (folder / "out").symlink_to(outside)
    with pytest.raises(DataError, match="got a link, out: copy what it leads to"):
        unlabelled(str(folder), 1)
