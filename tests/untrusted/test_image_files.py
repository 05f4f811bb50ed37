"""Image files in the competition's layout: read block by block, and refused in one sentence."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from samples import pictures, write_h5

from fineprune.data.files import H5Split
from fineprune.data.scaling import Scaling
from fineprune.errors import DataError

Spoil = Callable[[h5py.File], None]


def opened(path: Path) -> H5Split:
    return H5Split(path, Scaling(1.0), "data.clean_test")


def refused(path: Path, read: bool = False) -> str:
    with pytest.raises(DataError) as error:
        _ = opened(path).digest if read else opened(path)
    message = str(error.value)
    assert "\n" not in message
    return message.replace(str(path), "FILE")


def spoiled(tmp_path: Path, spoil: Spoil) -> Path:
    path = write_h5(tmp_path / "images.h5", pictures(6), np.arange(6))
    with h5py.File(path, "r+") as file:
        spoil(file)
    return path


def put(name: str, values: object) -> Spoil:
    def replace(file: h5py.File) -> None:
        del file[name]
        file[name] = values

    return replace


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_images_are_turned_channels_last_block_by_block(tmp_path: Path, dtype: type) -> None:
    pixels = pictures(23).astype(dtype)
    split = H5Split(write_h5(tmp_path / "a.h5", pixels, np.arange(23) % 5), Scaling(0.5), "data.clean_test")
    assert (len(split), split.shape, split.labels.tolist()) == (23, (12, 10, 3), [n % 5 for n in range(23)])
    assert np.array_equal(split.pixels(4, 9), pixels[4:9].astype(np.float32))
    assert [(rows.start, rows.stop) for rows, _ in split.blocks()] == [(0, 10), (10, 20), (20, 23)]
    blocks = np.concatenate([images for _, images in split.blocks()])
    assert blocks.dtype == np.float32
    assert np.array_equal(blocks, pixels.astype(np.float32) / 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_labels_may_be_whole_numbers_of_any_type(tmp_path: Path, dtype: type) -> None:
    split = opened(write_h5(tmp_path / "a.h5", pictures(3), np.array([0, 7, 1], dtype)))
    assert split.labels.dtype == np.int64
    assert split.labels.tolist() == [0, 7, 1]


def test_a_digest_tells_images_labels_and_scale_apart(tmp_path: Path) -> None:
    def digest(pixels: NDArray[np.uint8], labels: list[int], scale: float = 1.0) -> str:
        return H5Split(write_h5(tmp_path / "a.h5", pixels, np.array(labels)), Scaling(scale), "data.train").digest

    pixels = pictures(3)
    other = pixels.copy()
    other[2, 5, 5, 1] += 1
    first = digest(pixels, [0, 1, 2])
    assert digest(pixels, [0, 1, 2]) == first
    changed = {digest(other, [0, 1, 2]), digest(pixels, [0, 2, 1]), digest(pixels, [0, 1, 2], 0.5)}
    assert len(changed - {first}) == 3


def test_no_such_file(tmp_path: Path) -> None:
    expected = "expected the data.clean_test images at FILE, got no such file: put it there or set another path"
    assert refused(tmp_path / "none.h5") == expected
    assert refused(tmp_path) == (
        "expected the data.clean_test images at FILE, got a folder, pipe or device: set the path of a file"
    )


@pytest.mark.parametrize("keep", [0, 300, 3000])
def test_no_hdf5_file_or_half_of_one(tmp_path: Path, keep: int) -> None:
    path = write_h5(tmp_path / "a.h5", pictures(30), np.arange(30))
    path.write_bytes(path.read_bytes()[:keep])
    assert refused(path).startswith("expected the data.clean_test images at FILE to be an HDF5 file, got one that")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: file.pop("data"), "expected 'data' in FILE, /, got label"),
        (lambda file: file.pop("label"), "expected 'label' in FILE, /, got data"),
        (put("data", h5py.ExternalLink("other.h5", "data")), "expected 'data' in FILE, /, got data, label"),
        (put("data", h5py.SoftLink("/label")), "expected 'data' in FILE, /, got data, label"),
        (put("data", [b"text"]), "expected 'data' in FILE, / to hold numbers, got object"),
        (put("data", h5py.Empty("f")), "expected 'data' in FILE, / to be a data set held in the file itself, got "),
        (
            put("data", np.zeros((6, 12, 10, 4))),
            "expected 'data' in FILE of shape (N, 3, height, width), (N, height, width, 3), with 1 for 3 if gray, or "
            "(N, height, width), got (6, 12, 10, 4): set data.images",
        ),
        (put("data", np.zeros((0, 3, 12, 10))), "expected at least one image in FILE, got none"),
        (put("label", np.arange(5)), "expected 'label' in FILE of shape (6,), one an image, or one-hot, got (5,)"),
        (put("label", np.zeros((6, 2))), "expected 'label' in FILE to be one-hot, a single 1 in each row and 0 elsew"),
        (put("label", np.eye(6)[:, :3]), "expected 'label' in FILE to be one-hot, a single 1 in each row and 0 elsew"),
        (put("label", np.zeros((6, 2, 1))), "expected 'label' in FILE of shape (6,), one an image, or one-hot, got (6"),
        (put("label", [0, 1, 1.5, 2, 3, 4]), "expected 'label' in FILE to hold whole numbers from 0, got 1.5 in row 2"),
        (put("label", [0, 1, 2, -1, 3, 4]), "expected 'label' in FILE to hold whole numbers from 0, got -1 in row 3"),
        (
            put("label", [0, 1, 2, 3, np.nan, 4]),
            "expected 'label' in FILE to hold whole numbers from 0, got nan in row 4",
        ),
        (
            put("label", [0, 1, 2, 3, 4, 2**40]),
            "expected 'label' in FILE to hold whole numbers from 0, got 1099511627776",
        ),
    ],
)
def test_refused_when_it_is_opened(tmp_path: Path, spoil: Spoil, message: str) -> None:
    assert refused(spoiled(tmp_path, spoil)).startswith(message)


@pytest.mark.parametrize(
    ("value", "mend"),
    [
        (np.nan, "scale those in the file"),
        (np.inf, "scale those in the file"),
        (
            -1.0,
            "add what was subtracted in the file, and set data.mean, which subtracts it on the way into the network",
        ),
        (255.5, "set 'data.stored_range=[0,65535]'"),
    ],
)
def test_pixels_outside_their_range_are_told_with_their_row(tmp_path: Path, value: float, mend: str) -> None:
    pixels = pictures(6).astype(np.float32)
    pixels[4, 3, 2, 1] = value
    path = write_h5(tmp_path / "images.h5", pixels, np.arange(6))
    assert refused(path).startswith(f"expected pixels from 0 to 255 in FILE, got {value} in row 4: {mend}; data")


def stored_elsewhere(file: h5py.File) -> None:
    del file["data"]
    raw = Path(file.filename).with_name("raw.bin")
    raw.write_bytes(bytes(6 * 3 * 12 * 10))
    file.create_dataset("data", (6, 3, 12, 10), np.uint8, external=[(str(raw), 0, h5py.h5f.UNLIMITED)])


def put_together(file: h5py.File) -> None:
    del file["data"]
    layout = h5py.VirtualLayout((6, 3, 12, 10), np.uint8)
    layout[:] = h5py.VirtualSource("/etc/other.h5", "data", (6, 3, 12, 10))
    file.create_virtual_dataset("data", layout)


@pytest.mark.parametrize("spoil", [stored_elsewhere, put_together])
def test_nothing_outside_the_file_is_followed(tmp_path: Path, spoil: Spoil) -> None:
    expected = "expected 'data' in FILE, / to be a data set held in the file itself, got something else"
    assert refused(spoiled(tmp_path, spoil)).startswith(expected)


@pytest.mark.parametrize("name", ["data", "label"])
def test_damage_inside_is_said_in_a_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / "images.h5"
    with h5py.File(path, "w") as file:
        values = {"data": pictures(6).transpose(0, 3, 1, 2), "label": np.arange(6) + 77}
        for key, array in values.items():
            file.create_dataset(key, data=array, chunks=array.shape, fletcher32=key == name)
        place = file[name].id.get_chunk_info(0).byte_offset
    with path.open("r+b") as raw:
        raw.seek(place)
        raw.write(b"damage")
    assert refused(path, read=True).startswith("expected ")
