"""Clean images that are not quite those of the training: what each shift does, and that only they change."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from samples import pictures, split

from fineprune.data.scaling import Scaling
from fineprune.data.shift import Brightness, Jpeg, Noise, Shift, WrongLabels
from fineprune.data.split import BLOCK, ArraySplit

SHIFTS = [Jpeg(), Brightness(), Noise(), WrongLabels()]


def test_a_jpeg_is_what_pillow_reads_back() -> None:
    images = pictures(3)
    shifted = Jpeg(quality=30).of(split(images, 3)).pixels(0, 3)
    for image, changed in zip(images, shifted, strict=True):
        file = BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=30)
        assert np.array_equal(changed, np.asarray(Image.open(file), np.float32))


def test_a_jpeg_of_one_channel_stays_one() -> None:
    grey = pictures(3)[..., :1]
    assert Jpeg().of(split(grey, 3)).pixels(0, 3).shape == grey.shape


def test_brightness_is_cut_at_white() -> None:
    pixels = np.array([10.0, 100, 200, 255], np.float32).reshape(1, 2, 2, 1)
    assert Brightness(1.5).images(pixels, 0).ravel().tolist() == [15, 150, 255, 255]


def test_noise_has_its_deviation_and_stays_within_black_and_white() -> None:
    grey = np.full((50, 12, 10, 3), 128, np.uint8)
    noisy = Noise(deviation=16).of(split(grey, 5)).pixels(0, 50)
    assert noisy.std() == pytest.approx(16, rel=0.05)
    assert noisy.mean() == pytest.approx(128, abs=0.5)
    loud = Noise(deviation=300).images(grey.astype(np.float32), 0)
    assert (loud.min(), loud.max()) == (0, 255)


def test_a_share_of_the_labels_is_wrong() -> None:
    source = split(pictures(40), 5)
    changed = WrongLabels(share=0.25).of(source).labels
    assert (changed != source.labels).sum() == 10
    assert set(changed) <= set(range(5))
    assert np.array_equal(source.labels, np.arange(40) % 5)


@pytest.mark.parametrize("shift", SHIFTS, ids=lambda shift: type(shift).__name__)
def test_images_are_the_same_in_whichever_blocks_they_are_read(shift: Shift) -> None:
    shifted = shift.of(split(pictures(BLOCK + 7), 5))
    whole = shifted.pixels(0, len(shifted))
    parts = [shifted.pixels(start, start + 7) for start in range(0, BLOCK, 7)]
    assert np.array_equal(whole[: len(parts) * 7], np.concatenate(parts))
    assert shifted.digest != Brightness(0.5).of(split(pictures(BLOCK + 7), 5)).digest


def test_wrong_labels_leave_the_images_as_they_are() -> None:
    source = ArraySplit(np.full((4, 2, 2, 3), 10.4, np.float32), np.arange(4), Scaling(1 / 255))
    assert (WrongLabels(share=0.5).of(source).pixels(0, 4) == np.float32(10.4)).all()
