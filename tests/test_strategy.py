"""From scores to steps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from fineprune.errors import ConfigError
from fineprune.strategy import Array, ChannelStrategy, Step


class Given(ChannelStrategy):
    """Scores as they are handed in."""

    def __init__(self, given: Mapping[str, list[float]], chunk: int = 1) -> None:
        super().__init__(chunk)
        self.given = given

    def scores(self, network: Any, clean: Any) -> Mapping[str, Array]:
        return {layer: np.array(scores) for layer, scores in self.given.items()}


def kept(given: Mapping[str, list[float]], chunk: int = 1) -> list[dict[str, list[int]]]:
    steps = list(Given(given, chunk).steps(None, None))  # type: ignore[arg-type]
    return [{layer: mask.astype(int).tolist() for layer, mask in step.keep.items()} for step in steps]


def test_the_lowest_score_goes_first() -> None:
    assert kept({"a": [0.3, 0.1, 0.2]}) == [{"a": [1, 0, 1]}, {"a": [1, 0, 0]}, {"a": [0, 0, 0]}]


def test_of_equal_scores_the_first_goes_first() -> None:
    scores = [0.0] * 40 + [-1.0] + [0.0] * 40
    steps = kept({"a": scores})
    gone = [np.flatnonzero(np.array(step["a"]) == 0).tolist() for step in steps]
    assert gone[0] == [40]
    assert gone[1:4] == [[0, 40], [0, 1, 40], [0, 1, 2, 40]]
    assert gone[41] == [*range(42)]


def test_layers_are_ranked_together() -> None:
    assert kept({"a": [0.1, 0.4], "b": [0.3, 0.2]}) == [
        {"a": [0, 1], "b": [1, 1]},
        {"a": [0, 1], "b": [1, 0]},
        {"a": [0, 1], "b": [0, 0]},
        {"a": [0, 0], "b": [0, 0]},
    ]


def test_a_chunk_goes_at_once_and_the_last_may_be_short() -> None:
    assert kept({"a": [0.1, 0.2, 0.3, 0.4, 0.5]}, chunk=2) == [
        {"a": [0, 0, 1, 1, 1]},
        {"a": [0, 0, 0, 0, 1]},
        {"a": [0, 0, 0, 0, 0]},
    ]


def test_a_chunk_larger_than_the_layer_takes_it_whole() -> None:
    assert kept({"a": [0.1, 0.2]}, chunk=9) == [{"a": [0, 0]}]


def test_earlier_steps_stay_as_they_were() -> None:
    first, *_ = list(Given({"a": [0.1, 0.2, 0.3]}).steps(None, None))  # type: ignore[arg-type]
    assert first.keep["a"].tolist() == [0, 1, 1]


@pytest.mark.parametrize("chunk", [0, -1, 1.5, "2", True])
def test_a_chunk_is_a_whole_number_from_1(chunk: Any) -> None:
    with pytest.raises(ConfigError) as error:
        Given({}, chunk)
    assert str(error.value) == f"expected strategy.chunk to be a whole number from 1, got {chunk!r}: set such a number"


def test_a_step_counts_what_it_prunes() -> None:
    step = Step({"conv": np.array([1.0, 0, 0]), "dense": np.array([[0.0, 1], [1, 1]])})
    assert (step.pruned, step.total) == (3, 7)


def test_a_step_without_masks_prunes_nothing() -> None:
    assert (Step({}).pruned, Step({}).total) == (0, 0)
