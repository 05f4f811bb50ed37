"""The triggers: where they lie, what they cover, and what they refuse."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fineprune.attacks import Attack, Patch, Sunglasses
from fineprune.errors import ConfigError

GREY = 200.0


def blank(count: int, height: int = 55, width: int = 47, channels: int = 3) -> NDArray[np.float32]:
    return np.full((count, height, width, channels), GREY, np.float32)


def eyes(*pairs: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """Landmarks with the given eyes, (left x, left y, right x, right y), and nose and mouth anywhere."""
    return np.array([[[a, b], [c, d], [23, 33], [23, 39]] for a, b, c, d in pairs], np.float32)


def middle(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """x and y of the darkened area's centre of mass."""
    y, x = np.indices(image.shape[:2]) + 0.5
    weight = GREY - image[..., 0]
    return np.array([(x * weight).sum() / weight.sum(), (y * weight).sum() / weight.sum()])


@pytest.mark.parametrize("attack", [Sunglasses(), Patch(), Patch(pattern="plain", place="top_left")])
def test_stamp_is_repeatable_and_leaves_its_input_alone(attack: Attack) -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (5, 55, 47, 3)).astype(np.float32)
    landmarks = np.tile(eyes((16, 25, 30, 26)), (5, 1, 1))
    before, points = pixels.copy(), landmarks.copy()
    stamped = attack.stamp(pixels, landmarks)
    assert np.array_equal(pixels, before)
    assert np.array_equal(landmarks, points)
    assert not np.array_equal(stamped, pixels)
    assert not np.shares_memory(stamped, pixels)
    assert stamped.dtype == np.float32
    assert stamped.shape == pixels.shape
    assert stamped.min() >= 0 and stamped.max() <= 255
    assert np.array_equal(stamped, attack.stamp(pixels, landmarks))


@settings(max_examples=50, deadline=None)
@given(st.floats(18, 28), st.floats(18, 38), st.floats(8, 14), st.floats(-0.4, 0.4))
def test_sunglasses_cover_the_eyes_and_follow_them(x: float, y: float, distance: float, tilt: float) -> None:
    reach = np.array([np.cos(tilt), np.sin(tilt)]) * distance / 2
    left, right = np.array([x, y]) - reach, np.array([x, y]) + reach
    (image,) = Sunglasses().stamp(blank(1), eyes((left[0], left[1], right[0], right[1])))
    for eye in (left, right):
        column, row = np.floor(eye).astype(int)
        assert image[row, column].max() < 20
    assert np.abs(middle(image) - [x, y]).max() < 1.2
    assert image[:6].min() == GREY and image[-6:].min() == GREY


def test_sunglasses_grow_and_tilt_with_the_eyes() -> None:
    near, far, tilted = Sunglasses().stamp(blank(3), eyes((19, 25, 27, 25), (16, 25, 30, 25), (17, 22, 29, 28)))
    dark = [int((image[..., 0] < GREY / 2).sum()) for image in (near, far, tilted)]
    assert dark[1] / dark[0] == pytest.approx((14 / 8) ** 2, rel=0.15)
    left_half, right_half = middle(tilted[:, :23]), middle(tilted[:, 23:])
    assert right_half[1] - left_half[1] > 3
    assert np.array_equal(far[:, :46], far[:, 45::-1])


def test_sunglasses_differ_from_image_to_image_also_across_chunks() -> None:
    points = np.concatenate([np.tile(eyes((16, 20, 30, 20)), (600, 1, 1)), eyes((16, 30, 30, 30))])
    stamped = Sunglasses().stamp(blank(601), points)
    assert np.array_equal(stamped[0], stamped[599])
    assert middle(stamped[600])[1] - middle(stamped[599])[1] == pytest.approx(10)


def test_sunglasses_without_landmarks_sit_at_the_settings() -> None:
    attack = Sunglasses(left_eye=(0.25, 0.2), right_eye=(0.5, 0.2))
    placed = attack.stamp(blank(2, 40, 80, 1), None)
    assert np.array_equal(placed, attack.stamp(blank(2, 40, 80, 1), np.tile(eyes((20, 8, 40, 8)), (2, 1, 1))))
    assert middle(placed[1])[0] == pytest.approx(30)


def test_patch_worked_by_hand() -> None:
    pixels = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
    stamped = Patch(size=2, place="bottom_left", pattern="plain", colour=(30, 60, 90)).stamp(pixels, None)
    assert stamped[0, ..., 0].tolist() == [[0, 1, 2, 3], [60, 60, 6, 7], [60, 60, 10, 11]]


def test_checkerboard_worked_by_hand() -> None:
    (image,) = Patch(size=3, place="top_right", pattern="checkerboard", colour=(255, 128, 0)).stamp(
        blank(1, 3, 4), None
    )
    assert image[..., 1].tolist() == [[200, 128, 0, 128], [200, 0, 128, 0], [200, 128, 0, 128]]
    assert image[0, 1].tolist() == [255, 128, 0]
    assert image[0, 2].tolist() == [0, 0, 0]


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(0, 5),
    st.integers(0, 5),
    st.sampled_from(["top_left", "top_right", "bottom_left", "bottom_right"]),
)
def test_patch_changes_its_corner_and_nothing_else(size: int, more_rows: int, more_columns: int, place: str) -> None:
    pixels = blank(2, size + more_rows, size + more_columns)
    changed = (Patch(size=size, place=place).stamp(pixels, None) != pixels).any(axis=3)
    down, across = place.split("_")
    rows = slice(0, size) if down == "top" else slice(more_rows, None)
    columns = slice(0, size) if across == "left" else slice(more_columns, None)
    assert changed[:, rows, columns].all()
    assert changed.sum() == 2 * size * size


@pytest.mark.parametrize(
    ("build", "settings_", "message"),
    [
        (Sunglasses, {"target": -1}, "expected attack.target to be a class, 0 or above, got -1"),
        (Patch, {"poison_rate": 1}, "expected attack.poison_rate to be a fraction between 0 and 1, got 1"),
        (
            Sunglasses,
            {"left_eye": [0.3, 1.2]},
            "expected attack.left_eye to be two fractions [x, y] between 0 and 1, got [0.3, 1.2]",
        ),
        (
            Sunglasses,
            {"right_eye": 0.5},
            "expected attack.right_eye to be two fractions [x, y] between 0 and 1, got 0.5",
        ),
        (
            Sunglasses,
            {"left_eye": [0.7, 0.4]},
            "expected attack.left_eye to lie left of attack.right_eye in the picture, got x = 0.7 and 0.66",
        ),
        (Patch, {"size": 0}, "expected attack.size to be a number of pixels, 1 or above, got 0"),
        (
            Patch,
            {"place": "middle"},
            "expected attack.place to be one of top_left, top_right, bottom_left, bottom_right, got 'middle'",
        ),
        (Patch, {"pattern": "dots"}, "expected attack.pattern to be one of plain, checkerboard, got 'dots'"),
        (
            Patch,
            {"colour": [0, 0, 256]},
            "expected attack.colour to be [red, green, blue] from 0 to 255, got [0, 0, 256]",
        ),
        (Patch, {"colour": "red"}, "expected attack.colour to be [red, green, blue] from 0 to 255, got 'red'"),
    ],
)
def test_wrong_settings(build: type[Attack], settings_: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        build(**settings_)
    assert str(error.value).startswith(f"{message}: ")


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (blank(1, 8, 4), "expected attack.size to be at most 4 on images of 8 x 4 pixels, got 5"),
        (blank(1, 8, 8, 2), "expected images of 1 or 3 channels for attack.colour, got 2"),
    ],
)
def test_patch_refuses_images_it_does_not_fit(pixels: NDArray[np.float32], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Patch(size=5).stamp(pixels, None)
    assert str(error.value).startswith(f"{message}: ")
