"""What is demanded of a data set, by whomever it is written."""

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest
from samples import pictures
from settings import compose

from fineprune.config.instantiate import instantiate
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, Data
from fineprune.errors import FinepruneError
from fineprune.testing import check_data
from my_defence.data import my_data

IMAGES, LABELS = pictures(8), np.arange(8) % 4
SEEDS = count()


def data(images: Any = IMAGES, labels: Any = LABELS) -> Data:
    return Data("theirs", ArraySplit(images, labels, Scaling()))


def test_generated_faces_and_the_example_keep_it() -> None:
    sizes = ("data.identities=2", "data.train=2", "data.clean_valid=2", "data.clean_test=2")
    check_data(lambda: instantiate(compose(*sizes).data, Data))
    check_data(lambda: my_data("my_data", 3, 4, 4, 4, 0, 1 / 255))


@pytest.mark.parametrize(
    ("make", "broken"),
    [
        (lambda: Data("theirs"), "theirs to have clean_valid"),
        (lambda: data(labels=LABELS.astype(float)), "labels of clean_valid of theirs to be int64 from 0"),
        (lambda: data(IMAGES * 2.0), "clean_valid of theirs from 0 to 255"),
        (lambda: data(pictures(8, seed=next(SEEDS))), "the same clean_valid again"),
    ],
)
def test_what_a_data_set_breaks_of_it_is_named(make: Callable[[], Data], broken: str) -> None:
    with pytest.raises(FinepruneError) as error:
        check_data(make)
    assert str(error.value).startswith(f"expected {broken}, got ")
