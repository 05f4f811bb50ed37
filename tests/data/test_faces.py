"""Drawn faces: the same for the same seed, independent of how many are asked for, and with eyes where they are said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fineprune.data.faces import SPLITS, Faces, draw_faces
from fineprune.errors import ConfigError


@pytest.fixture(scope="module")
def faces() -> Faces:
    return draw_faces(40, 10, "train", 0)


def test_shapes_types_and_order(faces: Faces) -> None:
    assert faces.pixels.shape == (400, 55, 47, 3)
    assert faces.pixels.dtype == np.uint8
    assert faces.landmarks.shape == (400, 4, 2)
    assert faces.landmarks.dtype == np.float32
    assert faces.labels.dtype == np.int64
    assert faces.labels.tolist() == [identity for identity in range(40) for _ in range(10)]


def test_same_seed_same_faces() -> None:
    first, second = draw_faces(3, 4, "train", 5), draw_faces(3, 4, "train", 5)
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.landmarks, second.landmarks)
    assert not np.array_equal(first.pixels, draw_faces(3, 4, "train", 6).pixels)


def test_nobody_can_change_drawn_faces() -> None:
    first = draw_faces(3, 4, "train", 5)
    for array in (first.pixels, first.labels, first.landmarks):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.sampled_from(SPLITS), st.integers(0, 2**63))
def test_an_image_depends_on_its_place_alone(identities: int, per_identity: int, split: str, seed: int) -> None:
    few, many = draw_faces(identities, per_identity, split, seed), draw_faces(identities + 2, 7, split, seed)
    kept = (many.labels < identities) & (np.arange(len(many.labels)) % 7 < per_identity)
    assert np.array_equal(few.pixels, many.pixels[kept])
    assert np.array_equal(few.landmarks, many.landmarks[kept])


def test_no_two_images_are_the_same() -> None:
    drawn = np.concatenate([draw_faces(10, 10, split, 0).pixels for split in SPLITS])
    assert len({image.tobytes() for image in drawn}) == 300


def test_an_identity_is_the_same_person_in_every_split(faces: Faces) -> None:
    """Means over views are closer to the same identity's mean in another split than to nearly all others'."""
    here = faces.pixels[:, 10:45, 8:39].reshape(40, 10, -1).mean(axis=1)
    there = draw_faces(40, 10, "clean_test", 0).pixels[:, 10:45, 8:39].reshape(40, 10, -1).mean(axis=1)
    here, there = (means - means.mean(axis=1, keepdims=True) for means in (here, there))
    distance = np.linalg.norm(here[:, None] - there[None], axis=2)
    assert np.mean(distance.argmin(axis=1) == np.arange(40)) > 0.8


def test_landmarks_lie_in_the_image_in_the_order_of_a_face(faces: Faces) -> None:
    x, y = faces.landmarks[..., 0], faces.landmarks[..., 1]
    assert x.min() >= 0 and x.max() < 47
    assert y.min() >= 0 and y.max() < 55
    left, right, nose, mouth = range(4)
    assert np.all(x[:, left] < x[:, right])
    assert np.all(y[:, [left, right]].max(axis=1) < y[:, nose])
    assert np.all(y[:, nose] < y[:, mouth])


@pytest.mark.parametrize("eye", [0, 1])
def test_pupils_are_darker_than_the_cheeks_below(faces: Faces, eye: int) -> None:
    column, row = np.floor(faces.landmarks[:, eye]).astype(int).T
    grey = faces.pixels.mean(axis=3)
    image = np.arange(len(grey))
    pupil, cheek = grey[image, row, column], grey[image, row + 6, column]
    assert np.mean(pupil < cheek) > 0.97
    assert np.mean(cheek - pupil) > 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, "train", 0), "expected identities to be a whole number ≥ 1, got 0"),
        ((1, 0, "train", 0), "expected per_identity to be a whole number ≥ 1, got 0"),
        ((1, 1, "train", -1), "expected seed to be a whole number ≥ 0, got -1"),
        ((1, 1, "test", 0), "expected split to be one of train, clean_valid, clean_test, got 'test'"),
    ],
)
def test_wrong_arguments(arguments: tuple[int, int, str, int], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        draw_faces(*arguments)
    assert str(error.value).startswith(f"{message}: ")
