"""A draw of validation images: of each class as many, or a share, always among those of a larger draw."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from samples import pictures, split

from fineprune.data.draw import Draw
from fineprune.data.split import Split, Subset
from fineprune.errors import ConfigError

IMAGES = split(pictures(43), 4)  # eleven of each class, and ten of the last


def rows(drawn: Split) -> set[int]:
    assert isinstance(drawn, Subset)
    return set(drawn.rows.tolist())


def test_so_many_of_each_class_are_drawn() -> None:
    drawn = Draw(0, per_class=3).of(IMAGES)
    assert np.bincount(drawn.labels).tolist() == [3] * 4
    assert np.array_equal(drawn.pixels(0, 12), pictures(43)[sorted(rows(drawn))])


def test_a_share_of_all_is_drawn() -> None:
    assert len(Draw(0, share=0.1).of(IMAGES)) == 4
    assert len(Draw(0, share=0.001).of(IMAGES)) == 1


@pytest.mark.parametrize("draws", [[{"per_class": n} for n in (1, 2, 5, 10)], [{"share": s} for s in (0.05, 0.3, 0.9)]])
def test_those_of_a_smaller_draw_are_among_those_of_a_larger_one(draws: list[dict[str, Any]]) -> None:
    for smaller, larger in pairwise(rows(Draw(7, **settings).of(IMAGES)) for settings in draws):
        assert smaller < larger


@pytest.mark.parametrize("settings", [{"per_class": 3}, {"share": 0.3}])
def test_the_same_seed_draws_the_same(settings: dict[str, Any]) -> None:
    first, again, other = (Draw(seed, **settings).of(IMAGES).digest for seed in (0, 0, 1))
    assert first == again != other


def test_without_a_size_it_is_the_split_itself() -> None:
    assert Draw(0).of(IMAGES) is IMAGES


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"per_class": 11}, "expected 11 images of each class in clean_valid, got 10 of one: set draw.per_class=10"),
        ({"per_class": 0}, "expected draw.per_class to be a whole number ≥ 1 or null, got 0: "),
        ({"share": 1.5}, "expected draw.share to be a fraction between 0 and 1, such as 0.3 or null, got 1.5: "),
        (
            {"per_class": 1, "share": 0.5},
            "expected draw.per_class or draw.share, got 1 and 0.5: set one of them",
        ),
    ],
)
def test_draws_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Draw(0, **settings).of(IMAGES)
    assert str(error.value).startswith(message)
