"""Images in a folder for each class: what Pillow makes of them, and nothing that is elsewhere or something else."""

import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from samples import pictures

from fineprune.data import image_folder
from fineprune.data.split import Data
from fineprune.errors import ConfigError, DataError

PIXELS = pictures(12)


def folder(root: Path, part: str, classes: tuple[str, ...] = ("cat", "dog"), each: int = 3, kind: str = "png") -> Path:
    for number, name in enumerate(classes):
        (root / part / name).mkdir(parents=True)
        for image in range(each):
            Image.fromarray(PIXELS[number * each + image]).save(root / part / name / f"{image}.{kind}")
    return root / part / classes[0]


def of(root: Path, **settings: Any) -> Data:
    defaults = {"clean_test": "test", "valid_share": 0.5, "seed": 0}
    return image_folder("mine", 1 / 255, str(root), **defaults | settings)


def refused(root: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as error:
        of(root, **settings)
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(root), "ROOT")


def test_classes_are_numbered_in_alphabetical_order_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder(tmp_path, "test", ("dog", "cat", "ant"))
    test = of(tmp_path).clean_test
    assert test is not None
    assert test.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert np.array_equal(test.pixels(0, 9), PIXELS[[6, 7, 8, 3, 4, 5, 0, 1, 2]])
    assert capsys.readouterr().err == f"classes of data.root={tmp_path}: 0 ant, 1 cat, 2 dog\n"


def test_validation_images_are_a_share_of_the_training_images_that_training_does_not_see(tmp_path: Path) -> None:
    folder(tmp_path, "train", each=6)
    data, again, other = (of(tmp_path, train="train", clean_test=None, seed=seed) for seed in (0, 0, 1))
    assert data.train is not None and data.clean_valid is not None and other.clean_valid is not None
    assert (len(data.train), len(data.clean_valid)) == (6, 6)
    rows = np.concatenate([data.train.pixels(0, 6), data.clean_valid.pixels(0, 6)]).reshape(12, -1)
    assert len(np.unique(rows, axis=0)) == 12
    assert again.clean_valid is not None and again.clean_valid.digest == data.clean_valid.digest
    assert other.clean_valid.digest != data.clean_valid.digest


def test_a_class_may_be_missing_but_none_may_be_new(tmp_path: Path) -> None:
    folder(tmp_path, "train", ("ant", "cat", "dog"))
    folder(tmp_path, "test", ("dog",))
    test = of(tmp_path, train="train").clean_test
    assert test is not None and test.labels.tolist() == [2, 2, 2]
    folder(tmp_path, "other", ("dog", "dogs"))
    expected = "expected in ROOT/other the classes of ROOT/train, got dogs too: name them alike"
    assert refused(tmp_path, train="train", clean_test="other") == expected


def test_poisoned_folders_are_named_after_true_classes_where_a_target_is_set(tmp_path: Path) -> None:
    folder(tmp_path, "test")
    split = of(tmp_path, poisoned={"hat": "test"}, target=1).poisoned["hat"]
    assert split.true_labels is not None
    assert (split.labels.tolist(), split.true_labels.tolist()) == ([1, 1, 1], [0, 0, 0])


def test_poisoned_folders_alone_do_not_number_the_classes(tmp_path: Path) -> None:
    folder(tmp_path, "hat", ("dog",))
    with pytest.raises(ConfigError, match=r"^expected data.train, .*, got data.poisoned alone: set one of them$"):
        of(tmp_path, clean_test=None, poisoned={"hat": "hat"})


def test_a_link_to_itself_is_one_line(tmp_path: Path) -> None:
    cat = folder(tmp_path, "test")
    (cat / "loop.png").symlink_to("loop.png")
    assert refused(tmp_path).startswith("expected images in ROOT/test/cat that can be reached, got: ")


def test_images_are_gray_where_all_are(tmp_path: Path) -> None:
    first = folder(tmp_path, "test")
    for file in (tmp_path / "test").glob("*/*"):
        Image.open(file).convert("L").save(file)
    gray = of(tmp_path).clean_test
    assert gray is not None and gray.shape == (12, 10, 1)
    Image.fromarray(PIXELS[0]).convert("RGBA").save(first / "0.png")
    colour = of(tmp_path).clean_test
    assert colour is not None and np.array_equal(colour.pixels(0, 1), PIXELS[:1])


def test_images_of_several_sizes_have_to_be_resized(tmp_path: Path) -> None:
    first = folder(tmp_path, "test")
    small = Image.fromarray(PIXELS[1]).resize((5, 4))
    small.save(first / "1.png")
    said = "expected images of one size, 10×12, got 5×4 in ROOT/test/cat/1.png: set 'data.resize=[HEIGHT,WIDTH]', "
    assert refused(tmp_path).startswith(said)
    test = of(tmp_path, resize=(8, 6)).clean_test
    assert test is not None and test.shape == (8, 6, 3)
    assert np.array_equal(test.pixels(1, 2)[0], np.asarray(small.resize((6, 8), Image.Resampling.BILINEAR)))


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    first = folder(tmp_path, "test")
    (first / ".DS_Store").write_text("hidden")
    Image.fromarray(np.zeros((6, 4, 3), np.uint8)).save(first / "notes.tif")
    said = refused(tmp_path)
    assert said.startswith("expected images alone, of JPEG, PNG, BMP, WEBP, PPM, got ROOT/test/cat/notes.tif: ")
    assert said.endswith(": save it as one, or remove it")


def test_half_an_image_is_named(tmp_path: Path) -> None:
    file = folder(tmp_path, "test", kind="jpg") / "1.jpg"
    file.write_bytes(file.read_bytes()[:300])
    assert refused(tmp_path).startswith("expected ROOT/test/cat/1.jpg to be readable, got damage: ") or refused(
        tmp_path
    ).startswith("expected images alone, of ")


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    first = folder(tmp_path, "test")
    Image.fromarray(PIXELS[0]).save(tmp_path / "secret.png")
    (first / "3.png").symlink_to(tmp_path / "secret.png")
    said = "expected images in ROOT/test itself, got a link out of it, ROOT/test/cat/3.png: copy what it leads to"
    assert refused(tmp_path) == said
    (first / "3.png").unlink()
    (tmp_path / "test" / "elk").symlink_to(tmp_path / "test2")
    folder(tmp_path, "test2")
    (tmp_path / "test" / "elk").unlink()
    (tmp_path / "test" / "elk").symlink_to(tmp_path / "test2" / "cat")
    assert refused(tmp_path).startswith("expected images in ROOT/test itself, got a link out of it, ROOT/test/elk/0")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(folder(tmp_path, "test") / "3.png")
    said = "expected images alone in ROOT/test/cat, got ROOT/test/cat/3.png, no file: remove it"
    assert refused(tmp_path) == said


def test_no_folder_and_none_in_it(tmp_path: Path) -> None:
    assert refused(tmp_path).startswith("expected a folder of images at ROOT/test, got: No such file or directory: ")
    (tmp_path / "test").mkdir()
    assert refused(tmp_path).startswith("expected folders in ROOT/test, one for each class, got none: ")


@pytest.mark.hostile
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """A PNG of 50,000 × 50,000 pixels, in a few bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(50_000)))
        + chunk(b"IEND", b"")
    )
    (folder(tmp_path, "test") / "3.png").write_bytes(bomb)
    said = refused(tmp_path, resize=(8, 8))
    assert said.startswith("expected images alone, of ") and "decompression bomb" in said


@pytest.mark.skipif("FINEPRUNE_SHARED" not in os.environ, reason="FINEPRUNE_SHARED names no folder of real files")
def test_cifar10_as_others_publish_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(Path(os.environ["FINEPRUNE_SHARED"]) / "cifar10" / "cifar10_jpeg.zip") as file:
        file.extractall(tmp_path)
    root = next(path.parent for path in tmp_path.rglob("train"))
    data = of(root, train="train", valid_share=0.1)
    assert data.train is not None and data.clean_valid is not None and data.clean_test is not None
    assert [len(split) for split in (data.train, data.clean_valid, data.clean_test)] == [1440, 160, 400]
    assert np.bincount(data.clean_test.labels).tolist() == [40] * 10
    assert ": 0 airplane, 1 automobile, 2 bird, 3 cat, " in capsys.readouterr().err
    first = sorted((root / "test" / "airplane").iterdir())[0]
    assert np.array_equal(data.clean_test.pixels(0, 1)[0], np.asarray(Image.open(first)))
