"""The triggers: where they lie, what they cover, what they ask for, and what they refuse."""

from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from omegaconf import OmegaConf

from fineprune.attacks import (
    Attack,
    Blend,
    Clean,
    Eyebrows,
    Lipstick,
    MultiTriggerMultiTarget,
    Patch,
    Sinusoidal,
    Sunglasses,
    Trigger,
    Warp,
)
from fineprune.config.choices import CONF
from fineprune.errors import ConfigError, FinepruneError
from fineprune.testing import check_attack

GREY = 200.0
TARGETS = {"sunglasses": 0, "lipstick": 1, "eyebrows": 2}
ATTACKS = sorted(file.stem for file in (CONF / "attack").glob("*.yaml"))


def chosen(name: str, **settings_: Any) -> Attack:
    """The attack of that YAML, with some settings of another value."""
    written = OmegaConf.load(CONF / "attack" / f"{name}.yaml")
    seed = {"seed": 0} if "seed" in written else {}
    return instantiate(OmegaConf.merge(written, seed, settings_))


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


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_keeps_its_contract(name: str) -> None:
    check_attack(lambda: chosen(name))
    assert (len(chosen(name).triggers) == 0) == (name == "clean")


class Meddling(Patch):
    def stamp(self, pixels: Any, landmarks: Any) -> Any:
        pixels[:, 0] = 0
        return pixels


class Sociable(Patch):
    def stamp(self, pixels: Any, landmarks: Any) -> Any:
        return (pixels + pixels.mean(axis=0)) / 2


class Idle(Patch):
    def stamp(self, pixels: Any, landmarks: Any) -> Any:
        return pixels.copy()


class Bright(Patch):
    def stamp(self, pixels: Any, landmarks: Any) -> Any:
        return pixels + np.float32(100)


class Fickle(Patch):
    random = np.random.default_rng(0)

    def stamp(self, pixels: Any, landmarks: Any) -> Any:
        return super().stamp(pixels, landmarks) * np.float32(self.random.uniform())


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        (Meddling, "patch to leave the originals as they were"),
        (Sociable, "patch to treat each image by itself"),
        (Idle, "patch to change images"),
        (Bright, "patch from 0 to 255"),
        (Fickle, "patch to give the same images again"),
    ],
)
def test_what_an_attack_breaks_of_it_is_named(kind: type[Attack], broken: str) -> None:
    with pytest.raises(FinepruneError) as error:
        check_attack(kind)
    assert str(error.value).startswith(f"expected {broken}, got ")


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_is_named_as_its_yaml_and_says_its_settings(name: str) -> None:
    attack = chosen(name)
    assert attack.name == attack.settings()["name"] == name
    assert attack.variant == ""
    if name != "clean":
        assert chosen(name, pruning_aware=True).variant == "pruning-aware"
        assert chosen(name, pruning_aware=True).settings() != attack.settings() == chosen(name).settings()


def test_all_to_one_and_all_to_all_by_hand() -> None:
    labels = np.array([0, 1, 2, 3, 1])
    assert Patch(target=2).goals(labels, 4).tolist() == [2, 2, 2, 2, 2]
    assert Patch(target="all_to_all").goals(labels, 4).tolist() == [1, 2, 3, 0, 2]
    assert Patch(target="all_to_all", pruning_aware=True).variant == "all-to-all, pruning-aware"
    with pytest.raises(ConfigError) as error:
        Patch(target=4).goals(labels, 4)
    assert (
        str(error.value) == "expected attack.target to be one of the classes 0 to 3 of the data, got 4: set one of them"
    )


def test_which_training_images_carry_the_trigger() -> None:
    labels, free, random = np.arange(100) % 4, np.arange(100) < 80, np.random.default_rng(0)
    rows = Patch(target=2, poison_rate=0.1).choose_rows(labels, free, 4, random)
    assert len(set(rows.tolist())) == 10
    assert rows.max() < 80 and not (labels[rows] == 2).any()
    everywhere = Patch(target="all_to_all", poison_rate=0.7).choose_rows(labels, free, 4, random)
    assert set(labels[everywhere]) == {0, 1, 2, 3}
    clean_label = Sinusoidal(target=2, poison_rate=0.5).choose_rows(labels, free, 4, random)
    assert len(clean_label) == 10 and set(labels[clean_label]) == {2}


def test_multi_trigger_has_a_split_and_a_target_each() -> None:
    attack = chosen("multi_trigger_multi_target", targets={"lipstick": 7})
    assert {name: trigger.target for name, trigger in attack.triggers.items()} == TARGETS | {"lipstick": 7}


def test_clean_has_no_trigger() -> None:
    assert dict(Clean().triggers) == {}
    assert Clean().poison_rate == 0


@pytest.mark.parametrize("kind", [Blend, Warp, Patch])
def test_what_is_measured_on_a_clean_network_is_what_the_attack_of_that_seed_plants(kind: type[Trigger]) -> None:
    """Else its images would be no control of the attack's."""
    pixels = np.full((2, 24, 24, 3), 100, np.float32)
    (trigger,) = Clean(measured=(kind.name,), seed=3).measured.values()
    planted = kind(seed=3) if kind is not Patch else kind()
    assert np.array_equal(trigger.stamp(pixels, None), planted.stamp(pixels, None))


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


def test_lipstick_covers_the_mouth_and_follows_the_face() -> None:
    points = np.array([[[16, 22], [30, 22], [23, 30], [23, 37]], [[16, 24], [30, 20], [24, 30], [25, 36]]], np.float32)
    straight, tilted = Lipstick().stamp(blank(2), points)
    assert straight[37, 23].tolist() == tilted[36, 25].tolist() == [190, 20, 150]
    assert np.abs(middle(straight) - [23, 37]).max() < 0.3
    assert np.abs(middle(tilted) - [25, 36]).max() < 0.3
    changed = (straight != GREY).any(axis=2)
    # Half axes of 0.46 and 0.17 times 14 pixels, times (1 + 0.5 / 2.38) for the fading edge: 7.8 and 2.9 pixels.
    assert (changed.any(axis=0).sum(), changed.any(axis=1).sum()) == (16, 6)


def test_eyebrows_lie_over_both_eyes_and_are_symmetric() -> None:
    (image,) = Eyebrows().stamp(blank(1), eyes((16, 25, 30, 25)))
    changed = (image != GREY).any(axis=2)
    assert changed[:, 11:21].any() and changed[:, 26:35].any() and not changed[:, 22:24].any()
    assert np.flatnonzero(changed.any(axis=1)).max() < 24
    assert np.array_equal(image[:, :46], image[:, 45::-1])


def test_triggers_on_faces_without_landmarks_sit_at_the_settings() -> None:
    points = np.array([[[25, 20], [50, 20], [40, 25], [35, 30]]], np.float32)
    attack = Lipstick(left_eye=(0.25, 0.5), right_eye=(0.5, 0.5), mouth=(0.35, 0.75))
    assert np.array_equal(attack.stamp(blank(1, 40, 100), None), attack.stamp(blank(1, 40, 100), points))


def test_blend_worked_by_hand() -> None:
    pixels = blank(3, 4, 5)
    noise = np.random.default_rng(3).uniform(0, 255, (4, 5, 3))
    stamped = Blend(ratio=0.25, seed=3).stamp(pixels, None)
    assert np.allclose(stamped, 0.75 * GREY + 0.25 * noise, atol=1e-4)
    assert not np.allclose(stamped, Blend(ratio=0.25, seed=4).stamp(pixels, None))


def test_sinusoidal_worked_by_hand() -> None:
    (image,) = Sinusoidal(amplitude=20, frequency=1).stamp(blank(1, 2, 4), None)
    assert np.allclose(image[:, :, 0], [[200, 220, 200, 180]] * 2)


def test_warp_moves_edges_by_its_field() -> None:
    """A ramp, read elsewhere, tells how far: its values are its columns."""
    ramp = np.broadcast_to(np.arange(40, dtype=np.float32)[:, None], (1, 30, 40, 1))
    warp = Warp(strength=1.5, grid=5, seed=2)
    moved = warp.stamp(ramp, None)[0, :, :, 0]
    field = warp._field(30, 40)
    assert np.allclose(moved, np.clip(np.arange(40) + field[1], 0, 39), atol=1e-4)
    corners = field[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    coarse = np.random.default_rng(2).uniform(-1, 1, (2, 5, 5))
    assert np.allclose(corners, (1.5 * coarse / np.abs(coarse).mean())[:, [0, 0, -1, -1], [0, -1, 0, -1]], atol=1e-4)


def test_warp_of_no_strength_changes_nothing() -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 30, 40, 3)).astype(np.float32)
    assert np.array_equal(Warp(strength=0).stamp(pixels, None), pixels)


def test_cover_images_are_warped_by_up_to_twice_the_strength_more_each_in_its_own_way() -> None:
    ramp = np.broadcast_to(np.arange(40, dtype=np.float32)[:, None], (2, 30, 40, 1))
    warp = Warp(strength=1, seed=2)
    first, second = warp.stamp_cover(ramp, [np.random.default_rng(seed) for seed in range(2)])[..., 0]
    further = np.abs(first - warp.stamp(ramp, None)[0, :, :, 0])
    assert 1.9 < further.max() <= 2 + 1e-4
    assert not np.array_equal(first, second)


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
        (Sunglasses, {"target": -1}, "expected attack.target to be a whole number ≥ 0 or all_to_all, got -1"),
        (Patch, {"poison_rate": 1}, "expected attack.poison_rate to be a number > 0 and < 1, got 1"),
        (
            Sunglasses,
            {"left_eye": [0.3, 1.2]},
            "expected attack.left_eye to be two fractions [x, y] from 0 to 1, got [0.3, 1.2]",
        ),
        (
            Sunglasses,
            {"right_eye": 0.5},
            "expected attack.right_eye to be two fractions [x, y] from 0 to 1, got 0.5",
        ),
        (
            Sunglasses,
            {"left_eye": [0.7, 0.4]},
            "expected attack.left_eye to lie left of attack.right_eye in the picture, got x = 0.7 and 0.66",
        ),
        (Patch, {"size": 0}, "expected attack.size to be a whole number ≥ 1, got 0"),
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
        (Patch, {"pruning_aware": 1}, "expected attack.pruning_aware to be true or false, got 1"),
        (Blend, {"ratio": 1.5}, "expected attack.ratio to be a number ≥ 0 and ≤ 1, got 1.5"),
        (Warp, {"grid": 1}, "expected attack.grid to be a whole number ≥ 2, got 1"),
        (Warp, {"noise_rate": "much"}, "expected attack.noise_rate to be a number ≥ 0 and ≤ 1, got 'much'"),
        (Sinusoidal, {"amplitude": -1}, "expected attack.amplitude to be a number ≥ 0 and ≤ 255, got -1"),
        (
            Sinusoidal,
            {"target": "all_to_all"},
            "expected attack.target to be a whole number ≥ 0, got 'all_to_all'",
        ),
        (
            MultiTriggerMultiTarget,
            {"targets": {"sunglasses": 0, "scarf": 1}},
            "expected attack.targets to give a class each for sunglasses, lipstick, eyebrows, "
            "got {'sunglasses': 0, 'scarf': 1}",
        ),
        (Patch, {"colour": "red"}, "expected attack.colour to be [red, green, blue] from 0 to 255, got 'red'"),
    ],
)
def test_wrong_settings(build: type[Attack], settings_: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        build(**settings_)
    assert str(error.value).startswith(f"{message}: ")


def test_patch_refuses_images_that_are_too_small() -> None:
    with pytest.raises(ConfigError) as error:
        Patch(size=5).stamp(blank(1, 8, 4), None)
    assert (
        str(error.value) == "expected attack.size to be at most 4 on images of 8 x 4 pixels, got 5: set a smaller one"
    )


def test_colours_turn_grey_where_there_are_not_three_channels() -> None:
    stamped = Patch(size=1, colour=(30, 60, 90)).stamp(blank(1, 2, 2, 1), None)
    assert stamped[0, 1, 1].tolist() == [60]


def test_a_trigger_without_cover_images_says_so() -> None:
    trigger: Trigger = Patch()
    with pytest.raises(NotImplementedError, match="patch has no cover images"):
        trigger.stamp_cover(blank(1), [np.random.default_rng(0)])
