"""What becomes of pixels on their way into a network: what torchvision makes of them, and seen by whatever needs it."""

import numpy as np
import pytest
from samples import pictures

from fineprune.attacks import Patch
from fineprune.attacks.poisoning import PoisonedSplit
from fineprune.data.from_files import scaling
from fineprune.data.scaling import Scaling
from fineprune.data.shift import Brightness
from fineprune.data.split import ArraySplit, Subset
from fineprune.errors import ConfigError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET = Scaling(1 / 255, MEAN, STD)


def split(becomes: Scaling) -> ArraySplit:
    return ArraySplit(pictures(12), np.arange(12) % 4, becomes)


def test_each_pixel_is_what_torchvision_makes_of_it() -> None:
    """ToTensor divides by 255, Normalize subtracts and divides, each in single precision."""
    levels = np.arange(256, dtype=np.float32)
    for channel, (mean, std) in enumerate(zip(MEAN, STD, strict=True)):
        expected = [(np.float32(level) / np.float32(255) - np.float32(mean)) / np.float32(std) for level in range(256)]
        ours = IMAGENET(np.repeat(levels[:, None], 3, axis=1))[:, channel]
        assert ours.dtype == np.float32
        assert ours.tolist() == expected


def test_multiplying_would_be_another_number() -> None:
    levels = np.arange(256, dtype=np.float32)
    assert (levels * np.float32(1 / 255) != levels / np.float32(255)).any()


def test_without_mean_and_std_pixels_are_multiplied() -> None:
    pixels = pictures(3).astype(np.float32)
    assert np.array_equal(Scaling(1 / 255)(pixels), pixels * np.float32(1 / 255))


def test_x_over_127_5_minus_1_is_a_scaling() -> None:
    becomes = Scaling(1 / 127.5, (1.0, 1.0, 1.0))
    assert np.allclose(becomes(np.array([[0, 127.5, 255]], np.float32)), [[-1, 0, 1]])
    assert np.allclose(becomes.black, -1) and np.allclose(becomes.white, 1)


def test_black_and_white_are_those_of_images() -> None:
    ends = IMAGENET(np.array([[0, 0, 0], [255, 255, 255]], np.float32))
    assert np.array_equal(split(IMAGENET).black, ends[0])
    assert np.array_equal(Subset(split(IMAGENET), np.arange(3)).white, ends[1])
    assert np.array_equal(split(IMAGENET).span, ends[1] - ends[0])
    assert (split(Scaling(1 / 255)).black, split(Scaling(0.5)).white) == (0.0, 127.5)


def test_attacks_and_shifts_alter_pixels_before_they_are_scaled() -> None:
    plain, scaled = split(Scaling(1 / 255)), split(IMAGENET)
    for altered in (lambda source: PoisonedSplit(source, Patch(), 4), lambda source: Brightness().of(source)):
        pixels = altered(plain).pixels(0, 9)
        assert np.array_equal(altered(scaled).pixels(0, 9), pixels)
        assert np.array_equal(altered(scaled).inputs(0, 9), IMAGENET(pixels))


def test_a_digest_tells_scalings_apart() -> None:
    others = [Scaling(1 / 255), IMAGENET, Scaling(1 / 255, MEAN), Scaling(1 / 255, (), STD), Scaling(1.0, MEAN, STD)]
    assert len({split(becomes).digest for becomes in others}) == len(others)


@pytest.mark.parametrize("settings", [{"mean": [0.5, 0.5]}, {"std": [0.5]}])
def test_a_number_is_missing_or_too_many(settings: dict[str, list[float]]) -> None:
    with pytest.raises(ConfigError, match=r"^expected data\.(mean|std) to have a number for each channel, 3, got "):
        scaling("1/255", **settings).check(3)


def test_nothing_is_divided_by_0() -> None:
    with pytest.raises(ConfigError, match=r"^expected data\.std to be a list of numbers > 0, one for each channel"):
        scaling(1.0, std=[0.2, 0.0, 0.2])
