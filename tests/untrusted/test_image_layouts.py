"""Whatever layout people have their images in, the same images come out, or a line says which setting is right."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from samples import pictures

from fineprune.data.files import H5Split
from fineprune.data.from_files import reading
from fineprune.data.scaling import Scaling
from fineprune.errors import ConfigError, DataError

PIXELS = pictures(6)
LABELS = np.array([0, 2, 1, 1, 0, 2])


def written(path: Path, **arrays: NDArray[Any]) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def stored(path: Path, images: NDArray[Any], labels: NDArray[Any] = LABELS) -> Path:
    return written(path, data=images, label=labels)


def opened(path: Path, scaling: Scaling | None = None, **settings: Any) -> H5Split:
    return H5Split(path, scaling or Scaling(1 / 255), "data.clean_test", reading(**settings))


def refused(path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as error:
        opened(path, **settings)
    return str(error.value).replace(str(path), "FILE")


FIRST, LAST = PIXELS.transpose(0, 3, 1, 2), PIXELS


@pytest.mark.parametrize(
    ("images", "layout"),
    [(FIRST, "auto"), (LAST, "auto"), (FIRST, "channels_first"), (LAST, "channels_last")],
    ids=["first-auto", "last-auto", "first", "last"],
)
@pytest.mark.slow
def test_channels_are_found_first_or_last(tmp_path: Path, images: NDArray[Any], layout: str) -> None:
    split = opened(stored(tmp_path / "a.h5", images), layout=layout)
    assert np.array_equal(split.pixels(0, 6), PIXELS)
    assert split.digest == opened(stored(tmp_path / "b.h5", LAST)).digest


@pytest.mark.parametrize(("images", "wrong", "right"), [(FIRST, "last", "first"), (LAST, "first", "last")])
def test_a_wrong_layout_is_refused_with_the_right_one(
    tmp_path: Path, images: NDArray[Any], wrong: str, right: str
) -> None:
    said = refused(stored(tmp_path / "a.h5", images), layout=f"channels_{wrong}")
    assert said == (
        f"expected 'data' in FILE to have 1 or 3 channels at axis {3 if wrong == 'last' else 1}, got {images.shape}: "
        f"set data.layout=channels_{right}"
    )


def test_a_layout_that_may_be_either_is_asked_for_rather_than_guessed(tmp_path: Path) -> None:
    images = np.arange(6 * 3 * 4 * 3, dtype=np.uint8).reshape(6, 3, 4, 3)
    path = stored(tmp_path / "a.h5", images)
    assert refused(path).endswith(
        "got (6, 3, 4, 3), which may be either: set data.layout=channels_first or data.layout=channels_last"
    )
    assert np.array_equal(opened(path, layout="channels_last").pixels(0, 6), images)
    assert np.array_equal(opened(path, layout="channels_first").pixels(0, 6), images.transpose(0, 2, 3, 1))


def test_gray_images_need_no_axis_of_channels(tmp_path: Path) -> None:
    split = opened(stored(tmp_path / "a.h5", PIXELS[..., 0]))
    assert split.shape == (12, 10, 1)
    assert np.array_equal(split.pixels(0, 6), PIXELS[..., :1])


@pytest.mark.parametrize(
    ("labels", "first_label"),
    [
        (LABELS[:, None], 0),
        (np.eye(3)[LABELS], 0),
        (np.eye(3, dtype=np.uint8)[LABELS], 0),
        (LABELS + 1, 1),
        (np.eye(4)[LABELS + 1], 1),
        (LABELS[:, None] + 7.0, 7),
    ],
    ids=["column", "one-hot", "one-hot bytes", "from 1", "one-hot from 1", "from 7"],
)
def test_labels_are_classes_from_0_however_they_are_written(
    tmp_path: Path, labels: NDArray[Any], first_label: int
) -> None:
    split = opened(stored(tmp_path / "a.h5", LAST, labels), first_label=first_label)
    assert split.labels.dtype == np.int64
    assert np.array_equal(split.labels, LABELS)


def test_a_label_below_the_first_is_refused_with_the_setting(tmp_path: Path) -> None:
    said = refused(stored(tmp_path / "a.h5", LAST), first_label=1)
    assert said.startswith("expected 'label' in FILE to hold whole numbers from 1, got 0 in row 0: ")
    assert said.endswith("; data.first_label is that of the first")


def test_arrays_may_have_other_names_and_what_is_there_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5", x=LAST, y=LABELS)
    assert np.array_equal(opened(path, images="x", labels="y").labels, LABELS)
    do = "set data.images and data.labels to the names of the arrays"
    assert refused(path) == f"expected 'data' in FILE, /, got x, y: {do}"
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["data/x"], file["data/y"] = LAST, LABELS
    for root in ("", "/"):
        found = opened(tmp_path / "b.h5", images=f"{root}data/x", labels=f"{root}data/y")
        assert np.array_equal(found.labels, LABELS)
    assert refused(tmp_path / "b.h5") == f"expected 'data' in FILE, / to be a data set, got a group of x, y: {do}"


@pytest.mark.parametrize(
    ("images", "stored_range"),
    [(PIXELS / 255, [0, 1]), (PIXELS / np.float32(255), [0, 1]), (PIXELS / np.float32(127.5) - 1, [-1, 1])],
    ids=["double", "single", "signed"],
)
def test_pixels_of_another_range_are_brought_to_0_to_255(
    tmp_path: Path, images: NDArray[Any], stored_range: list[float]
) -> None:
    split = opened(stored(tmp_path / "a.h5", images), stored_range=stored_range)
    assert np.abs(split.pixels(0, 6) - PIXELS).max() < 1e-4


def test_pixels_from_0_to_1_are_refused_with_the_settings_that_are_right(tmp_path: Path) -> None:
    path = stored(tmp_path / "a.h5", (PIXELS / 255).astype(np.float32))
    said = refused(path)
    assert said.startswith("expected pixels from 0 to 255 in FILE, got none above ")
    assert "set 'data.stored_range=[0,1]'" in said and "data.pixel_scale" in said and "\n" not in said


def test_signed_pixels_are_refused_with_the_setting_that_is_right(tmp_path: Path) -> None:
    said = refused(stored(tmp_path / "a.h5", PIXELS / 127.5 - 1))
    assert "set 'data.stored_range=[-1,1]' if they are x/127.5 − 1" in said


def test_pixels_without_their_mean_are_refused_with_what_to_do(tmp_path: Path) -> None:
    said = refused(stored(tmp_path / "a.h5", PIXELS - PIXELS.mean(axis=(0, 1, 2))))
    assert "add what was subtracted in the file, and set data.mean" in said


def test_black_images_are_images(tmp_path: Path) -> None:
    assert opened(stored(tmp_path / "a.h5", np.zeros_like(LAST))).pixels(0, 6).max() == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_are_resized_as_pillow_does(tmp_path: Path, dtype: type) -> None:
    split = opened(stored(tmp_path / "a.h5", LAST.astype(dtype)), resize=[7, 5])
    expected = np.array([Image.fromarray(image).resize((5, 7), Image.Resampling.BILINEAR) for image in PIXELS])
    assert split.shape == (7, 5, 3)
    assert np.abs(split.pixels(0, 6) - expected).max() <= (0 if dtype is np.uint8 else 1)


def test_nothing_is_resized_beyond_the_limits(tmp_path: Path) -> None:
    assert refused(stored(tmp_path / "a.h5", LAST), resize=[2000, 2000]).startswith("expected images of at most ")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layout": "nhwc"}, "expected data.layout to be one of auto, channels_first, channels_last, got 'nhwc': "),
        ({"first_label": -1}, "expected data.first_label to be a whole number ≥ 0, got -1: "),
        ({"resize": [32]}, "expected data.resize to be a list of two whole numbers, height and width"),
        ({"resize": 32}, "expected data.resize to be a list of two whole numbers, height and width"),
        ({"stored_range": [1, 0]}, "expected data.stored_range to be those of black and of white, got [1.0, 0.0]: "),
        ({"stored_range": [0, 1, 2]}, "expected data.stored_range to be a list of two numbers"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        reading(**settings)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("highest", "stored_range", "right"), [(1.0, [-1, 1], "[0,1]"), (255.0, [0, 65535], "[0,255]")], ids=str
)
def test_a_range_of_which_no_pixel_has_half_is_refused(
    tmp_path: Path, highest: float, stored_range: list[float], right: str
) -> None:
    images = np.random.default_rng(0).uniform(0, highest, (6, 5, 6, 3)).astype(np.float32)
    assert refused(stored(tmp_path / "a.h5", images), stored_range=stored_range).endswith(
        f"set 'data.stored_range={right}'"
    )
