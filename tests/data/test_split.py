"""Batches to train on: every image once an epoch, the same for the same seed, and never many in memory."""

from itertools import chain
from typing import Any

import numpy as np
import pytest
from samples import BYTES, Counted, pictures, split

from fineprune.data.split import Split, Subset, hold_out


def labels(images: Split, size: int = 8, seed: int = 0, **amount: Any) -> list[list[int]]:
    return [batch.tolist() for _, batch in images.batches(size, seed, **amount).as_numpy_iterator()]


@pytest.mark.parametrize("memory", [10**9, 25 * BYTES, 3 * BYTES])
@pytest.mark.usefixtures("small_blocks")
def test_an_epoch_has_every_image_once(memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fineprune.data.split.MEMORY", memory)
    images = Counted(43, 100)
    batches = labels(images, epochs=2)
    assert [len(batch) for batch in batches] == 2 * [8, 8, 8, 8, 8, 3]
    first, second = list(chain(*batches[:6])), list(chain(*batches[6:]))
    assert sorted(first) == sorted(second) == list(range(43))
    assert first != second
    assert first != sorted(first)


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("count", [20, 43])
def test_images_arrive_as_the_network_takes_them_beside_their_labels(count: int) -> None:
    images = Counted(count, 100)
    for batch, rows in images.batches(8, 0, epochs=1).as_numpy_iterator():
        assert batch.dtype == np.float32 and rows.dtype == np.int64
        assert np.array_equal(batch, images._stored[rows].astype(np.float32) * np.float32(1 / 255))


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("count", [20, 43])
@pytest.mark.slow
def test_the_same_seed_gives_the_same_batches(count: int) -> None:
    images = Counted(count, 100)
    assert labels(images, epochs=2) == labels(images, epochs=2)
    assert labels(images, epochs=1) != labels(images, seed=1, epochs=1)
    batches = images.batches(8, 0, epochs=1)
    first, again = ([rows.tolist() for _, rows in batches.as_numpy_iterator()] for _ in range(2))
    assert first == again


def test_steps_go_on_into_the_next_epoch() -> None:
    images = Counted(20, 100)
    assert labels(images, steps=7) == labels(images, epochs=3)[:7]
    assert len(images.batches(8, 0, steps=7)) == 7


def test_the_images_of_a_smaller_limit_are_among_those_of_a_larger_one() -> None:
    images = Counted(40, 100)
    few, more, all_ = (set(chain(*labels(images, epochs=1, limit=limit))) for limit in (5, 12, 99))
    assert len(few) == 5 and len(more) == 12 and len(all_) == 40
    assert few < more < all_


@pytest.mark.usefixtures("small_memory")
def test_no_more_than_a_block_is_read_at_once() -> None:
    images = Counted(200, 200)
    labels(images, epochs=1)
    labels(images, epochs=1, limit=4)
    rest, held = hold_out(images, 0.1, 0)
    labels(held, epochs=1)
    labels(rest, epochs=1)
    assert max(images.reads) <= 10


@pytest.mark.usefixtures("small_memory")
def test_images_that_fit_are_read_once_and_others_once_an_epoch() -> None:
    few, many = Counted(20, 100), Counted(40, 100)
    labels(few, epochs=3)
    labels(many, epochs=3)
    assert sum(few.reads) == 20
    assert sum(many.reads) == 3 * 40


@pytest.mark.usefixtures("small_blocks")
def test_rows_that_lie_far_apart_are_read_in_order() -> None:
    images = split(pictures(43), 5)
    rows = np.array([0, 9, 10, 31, 42])
    assert np.array_equal(Subset(images, rows).pixels(1, 5), images.pixels(0, 43)[rows[1:]])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "expected either steps or epochs, got steps=None and epochs=None"),
        ({"steps": 1, "epochs": 1}, "expected either steps or epochs, got steps=1 and epochs=1"),
        ({"epochs": 0}, "expected epochs to be a whole number ≥ 1, got 0"),
        ({"steps": -1}, "expected steps to be a whole number ≥ 1, got -1"),
        ({"epochs": 1, "limit": 0}, "expected limit to be a whole number ≥ 1, got 0"),
        ({"epochs": 1.5}, "expected epochs to be a whole number ≥ 1, got 1.5"),
        ({"epochs": 1, "size": 0}, "expected size to be a whole number ≥ 1, got 0"),
    ],
)
def test_arguments_that_are_wrong(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Counted(3, 100).batches(**({"size": 2, "seed": 0} | wrong))
