"""Images in NumPy's .npz files: read as those of HDF5 files are, and refused in one line; nothing is unpickled."""

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import pictures

from fineprune.data import Data, npz
from fineprune.data.files import NpzSplit
from fineprune.data.from_files import reading
from fineprune.data.scaling import Scaling
from fineprune.errors import DataError

LABELS = np.arange(6) % 3


def opened(path: Path, **settings: Any) -> NpzSplit:
    return NpzSplit(path, Scaling(1 / 255), "data.train", reading(**{"images": "x", "labels": "y"} | settings))


def refused(path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as error:
        opened(path, **settings)
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(path), "FILE")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_images_are_read_whatever_their_layout(tmp_path: Path, save: Callable[..., None]) -> None:
    for number, images in enumerate((pictures(6), pictures(6).transpose(0, 3, 1, 2).copy())):
        save(tmp_path / f"{number}.npz", x=images, y=np.eye(3)[LABELS])
        split = opened(tmp_path / f"{number}.npz")
        assert np.array_equal(split.pixels(0, 6), pictures(6))
        assert np.array_equal(split.labels, LABELS)


def test_a_file_with_several_splits_as_keras_has_them(tmp_path: Path) -> None:
    gray = pictures(9)[..., 0]
    np.savez(tmp_path / "mnist.npz", x_train=gray, y_train=np.arange(9), x_test=gray[:4], y_test=np.arange(4))
    keys = {"images": "x_*", "labels": "y_*"}
    data = npz("mnist", 1 / 255, str(tmp_path), train="mnist.npz", clean_test="mnist.npz", **keys)
    assert data.train is not None and (len(data.train), data.train.shape) == (9, (12, 10, 1))
    assert {name: len(split) for name, split in data.splits.items()} == {"clean_test": 4}
    with pytest.raises(DataError, match=r"^expected 'x_valid' in .*, got x_train, y_train, x_test, y_test: "):
        npz("mnist", 1 / 255, str(tmp_path), clean_valid="mnist.npz", **keys)


@pytest.mark.slow
def test_without_validation_images_a_share_of_the_training_images_takes_their_place(tmp_path: Path) -> None:
    test = {"x_test": pictures(4), "y_test": np.zeros(4)}
    np.savez(tmp_path / "a.npz", x_train=pictures(20), y_train=np.arange(20) % 3, **test)
    kept = {"images": "x_*", "labels": "y_*", "valid_share": 0.2}

    def of(seed: int) -> Data:
        return npz("a", 1 / 255, str(tmp_path), train="a.npz", clean_test="a.npz", seed=seed, **kept)

    first, again, other = map(of, (0, 0, 1))
    assert first.train is not None and first.clean_valid is not None and again.clean_valid and other.clean_valid
    assert (len(first.train), len(first.clean_valid)) == (16, 4)
    assert first.clean_valid.digest == again.clean_valid.digest != other.clean_valid.digest
    seen = {image.tobytes() for image in first.train.pixels(0, 16)}
    assert not seen & {image.tobytes() for image in first.clean_valid.pixels(0, 4)}


def test_large_arrays_are_read_in_parts(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3000, 64, 64, 1), np.uint8)
    np.savez_compressed(tmp_path / "a.npz", x=images, y=np.zeros(3000, bool))
    split = opened(tmp_path / "a.npz")
    assert np.array_equal(split.pixels(0, 3000), images)
    assert not split.labels.any()


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def header(shape: tuple[int, ...], descr: str = "|u1") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"shape": shape, "fortran_order": False, "descr": descr})
    return stream.getvalue()


def as_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"x": as_bytes(np.array([print], object))}, "expected 'x' in FILE to hold numbers, got object"),
        ({"x": as_bytes(np.array(["text"]))}, "expected 'x' in FILE to hold numbers, got <U4"),
        ({"x": b"nonsense"}, "expected 'x' in FILE to be readable, got damage: "),
        ({"x": header((6, 12, 10, 3)) + b"few"}, "expected 'x' in FILE to be readable, got damage: "),
        ({"x": header((1, 1, 1, 1)) + b"more"}, "expected 'x' in FILE to end with its last row, got more"),
        ({"x": header((2**40, 1, 1, 1))}, "expected at most 33,554,432 images in FILE, got "),
        ({"x": header((1, 2**20, 2**20, 1))}, "expected images of at most 2,097,152 values in FILE, got "),
        ({"x": header((-6, 12, 10, 3))}, "expected "),
        ({"x": as_bytes(np.asfortranarray(pictures(6)))}, "expected 'x' in FILE row by row, got it column by column"),
        ({"z": as_bytes(pictures(6))}, "expected 'x' in FILE, got y, z: set data.images and data.labels to"),
        ({"x": as_bytes(pictures(6)), "y": header((6, 2**40))}, "expected 'y' in FILE of shape (6,), one an image"),
        ({"x": as_bytes(pictures(6)), "y": as_bytes(np.arange(5))}, "expected 'y' in FILE of shape (6,), one an imag"),
    ],
)
def test_what_is_refused(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    count = 1 if members.get("x", b"")[-4:] == b"more" else 6
    assert refused(archive(tmp_path / "a.npz", **{"y": as_bytes(np.zeros(count))} | members)).startswith(message)


@pytest.mark.parametrize("content", [b"", b"no archive", as_bytes(np.zeros(3)), as_bytes(np.array([print], object))])
def test_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    assert refused(tmp_path / "a.npz").startswith("expected the data.train images at FILE to be an .npz file, got one")


def unpacking_to(path: Path, start: bytes, zeros: int) -> None:
    """An archive whose x is `start` and 64 MB of zeros so many times, packed once."""
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(2**26)) + packer.flush(zlib.Z_FULL_FLUSH)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("y.npy", as_bytes(np.zeros(zeros * 2**17, np.uint8)))
        file.writestr("x.npy", packed + zeros * block + packer.flush())
        entry = file.getinfo("x.npy")
        entry.compress_type, entry.file_size = zipfile.ZIP_DEFLATED, len(start) + zeros * 2**26


@pytest.mark.hostile
def test_an_archive_that_unpacks_to_far_more_is_refused_in_one_line(tmp_path: Path) -> None:
    """16 GB in 16 MB: beyond the time that so small a file may take."""
    unpacking_to(tmp_path / "a.npz", header((2**25, 512, 1, 1)), 2**8)
    said = refused(tmp_path / "a.npz")
    assert said.startswith("expected FILE to be readable in ") and "CPU time limit exceeded" in said
