"""From scores to steps."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import scipy
from samples import pictures, split
from steps import keeping, kept

from fineprune.errors import ConfigError, StrategyError
from fineprune.network.network import Network
from fineprune.network.step import Array, Step
from fineprune.strategies.rankings.bnp import NormStatistics
from fineprune.strategy import ChannelStrategy, z_scores
from fineprune.testing import NETWORKS


class Given(ChannelStrategy):
    """Scores as they are handed in."""

    given: Any

    def scores(self, network: Any, clean: Any) -> Mapping[str, Array]:
        return {layer: np.array(scores) for layer, scores in self.given.items()}


def pruned_in_order(given: Mapping[str, list[float]], **ranking: Any) -> list[dict[str, list[int]]]:
    steps = list(Given(given=given, **ranking).steps(None, None))  # type: ignore[arg-type]
    return [{layer: mask.astype(int).tolist() for layer, mask in kept(step).items()} for step in steps]


def test_the_lowest_score_goes_first() -> None:
    assert pruned_in_order({"a": [0.3, 0.1, 0.2]}) == [{"a": [1, 0, 1]}, {"a": [1, 0, 0]}, {"a": [0, 0, 0]}]


def test_of_equal_scores_the_first_goes_first() -> None:
    scores = [0.0] * 40 + [-1.0] + [0.0] * 40
    steps = pruned_in_order({"a": scores})
    gone = [np.flatnonzero(np.array(step["a"]) == 0).tolist() for step in steps]
    assert gone[0] == [40]
    assert gone[1:4] == [[0, 40], [0, 1, 40], [0, 1, 2, 40]]
    assert gone[41] == [*range(42)]


def test_masks_up_to_a_threshold_are_the_first_to_be_pruned_however_many_tie() -> None:
    """As many as RNP's authors publish of a ResNet-18: of 4,800 masks, four decimals each, twelve are 0."""
    counts = {0: 12, 0.05: 14, 0.1: 18, 0.15: 21, 0.2: 24, 0.25: 28, 0.3: 32, 0.35: 41, 0.4: 49}
    counts |= {0.5: 68, 0.6: 107, 0.7: 204, 0.8: 365, 0.9: 753}
    random = np.random.default_rng(0)
    edges = zip([0, *counts], counts, np.diff([0, *counts.values()]), strict=False)
    masks = np.concatenate([np.ceil(random.uniform(low, high, n) * 1e4) / 1e4 for low, high, n in edges])
    masks = random.permutation(np.concatenate([masks, np.ones(4800 - len(masks))]))
    layers = np.split(masks, np.cumsum([64] * 5 + [128] * 5 + [256] * 5 + [512] * 5)[:-1])
    steps = Given(given={str(number): list(layer) for number, layer in enumerate(layers)}).steps(None, None)  # type: ignore[arg-type]
    for pruned, step in zip(range(1, 754), steps, strict=False):
        if pruned in counts.values():
            (threshold,) = (each for each, count in counts.items() if count == pruned)
            factors = np.concatenate([edit.factors for edit in step.edits])
            assert np.array_equal(factors == 0, masks <= threshold)


def test_layers_are_ranked_together() -> None:
    assert pruned_in_order({"a": [0.1, 0.4], "b": [0.3, 0.2]}) == [
        {"a": [0, 1], "b": [1, 1]},
        {"a": [0, 1], "b": [1, 0]},
        {"a": [0, 1], "b": [0, 0]},
        {"a": [0, 0], "b": [0, 0]},
    ]


def test_by_layer_the_same_share_of_each_goes() -> None:
    given = {"a": [9, 8, 7, 6], "b": [0.1, 0.2]}
    assert pruned_in_order(given, chunk=3, scope="layer") == [
        {"a": [1, 1, 0, 0], "b": [0, 1]},
        {"a": [0, 0, 0, 0], "b": [0, 0]},
    ]


def test_z_scores_make_layers_of_unlike_scale_comparable() -> None:
    given = {"a": [100.0, 200, 300], "b": [1.0, 9, 9, 9]}
    assert pruned_in_order(given, normalise="z")[0] == {"a": [1, 1, 1], "b": [0, 1, 1, 1]}
    assert z_scores(np.array([100.0, 200, 300])) == pytest.approx([-1, 0, 1])
    assert z_scores(np.array([1.0, 9, 9, 9])) == pytest.approx(scipy.stats.zscore([1, 9, 9, 9], ddof=1))


@pytest.mark.parametrize("scores", [[1.0, 9], [4.0], [5.0, 5, 5, 5], [1.0, 9, np.nan], [np.nan] * 4, [np.inf, 1, 2]])
def test_where_nothing_can_stand_out_z_scores_are_zero(scores: list[float]) -> None:
    assert z_scores(np.array(scores)).tolist() == [0] * len(scores)


def test_what_is_not_finite_is_average_and_moves_no_other() -> None:
    assert z_scores(np.array([np.nan, 1, 2, 3, np.inf])) == pytest.approx([0, -1, 0, 1, 0])


def test_l2_divides_by_the_norm_of_the_layer() -> None:
    given = {"a": [3.0, 4], "b": [0.5, 0.4], "c": [0.0, 0]}
    orders = pruned_in_order(given, normalise="l2")
    assert [[step["a"][0], step["b"][1]] for step in orders] == [[1, 1], [1, 1], [0, 1], [0, 0], [0, 0], [0, 0]]


def test_what_a_paper_does_is_no_variant_and_anything_else_is() -> None:
    class ByLayer(Given):
        scope, normalise = "layer", "z"

    assert ByLayer(given={}).variant == ByLayer(given={}, scope="layer", normalise="z").variant == ""
    assert ByLayer(given={}, scope="global", normalise="none").variant == "scope global, normalise none"
    assert ByLayer(given={}, layers=["a", "b"]).variant == "layers a + b"


def test_what_a_class_says_of_itself_is_no_setting_also_where_it_is_annotated() -> None:
    class Annotated(Given):
        trains: bool = True

    assert Annotated(given={}).trains
    with pytest.raises(TypeError, match="trains"):
        Annotated(given={}, trains=False)


def test_the_amount_is_the_threshold_where_the_paper_has_one() -> None:
    class Thresholded(Given):
        normalise, threshold = "z", "u"

    steps = list(Thresholded(given={"a": [1.0, 2, 3]}).steps(None, None))  # type: ignore[arg-type]
    assert [step.amount for step in steps] == pytest.approx([0, -1, -1])
    assert {step.amount_name for step in steps} == {"u"}


def test_a_chunk_goes_at_once_and_the_last_may_be_short() -> None:
    assert pruned_in_order({"a": [0.1, 0.2, 0.3, 0.4, 0.5]}, chunk=2) == [
        {"a": [0, 0, 1, 1, 1]},
        {"a": [0, 0, 0, 0, 1]},
        {"a": [0, 0, 0, 0, 0]},
    ]


def test_a_chunk_larger_than_the_layer_takes_it_whole() -> None:
    assert pruned_in_order({"a": [0.1, 0.2]}, chunk=9) == [{"a": [0, 0]}]


@pytest.mark.parametrize(("most", "counts"), [(0.5, [2, 3]), (0.4, [2]), (0.01, [1]), (1.0, [2, 4, 5])])
def test_the_last_step_prunes_the_share_most_of_all_channels_rounded_up(most: float, counts: list[int]) -> None:
    steps = Given(given={"a": [0.1, 0.2], "b": [0.3, 0.4, 0.5]}, chunk=2, most=most).steps(None, None)  # type: ignore[arg-type]
    assert [step.pruned for step in steps] == counts


@pytest.mark.parametrize("most", [0, 1.1, "all"])
def test_a_sweep_ends_at_a_share_above_0(most: Any) -> None:
    expected = "expected strategy.most to be a fraction > 0 and ≤ 1, got "
    with pytest.raises(ConfigError, match=re.escape(expected)):
        Given(given={}, most=most)


def test_earlier_steps_stay_as_they_were() -> None:
    first, *_ = list(Given(given={"a": [0.1, 0.2, 0.3]}).steps(None, None))  # type: ignore[arg-type]
    assert kept(first)["a"].tolist() == [0, 1, 1]


@pytest.mark.parametrize("chunk", [0, -1, 1.5, "2", True])
def test_a_chunk_is_a_whole_number_from_1(chunk: Any) -> None:
    with pytest.raises(ConfigError) as error:
        Given(given={}, chunk=chunk)
    assert (
        str(error.value) == f"expected strategy.chunk to be a whole number ≥ 1, got {chunk!r}: set a whole number ≥ 1"
    )


def test_a_step_counts_what_it_prunes() -> None:
    step = keeping({"conv": np.array([1.0, 0, 0]), "dense": np.array([[0.0, 1], [1, 1]])})
    assert (step.pruned, step.total) == (3, 7)


def test_a_step_without_masks_prunes_nothing() -> None:
    assert (Step().pruned, Step().total) == (0, 0)


@pytest.mark.parametrize("normalise", ["none", "l2"])
def test_channels_without_a_score_need_z_scores(normalise: str) -> None:
    """As the one that never changes, whose statistics differ from those stored by infinitely much."""
    network = Network(NETWORKS["residual"]())
    norm = network.model.get_layer(network.norms[0])
    gamma, beta, mean, variance = norm.get_weights()
    norm.set_weights([gamma, beta, mean, np.where(np.arange(len(variance)) == 0, 0, variance)])
    clean = split(pictures(8, network.input_shape), 5)
    with pytest.raises(ConfigError, match=r"^expected a score for each channel, got some without, .*normalise=z$"):
        list(NormStatistics(normalise=normalise).steps(network, clean))
    assert list(NormStatistics().steps(network, clean))


def test_a_score_that_is_not_a_number_is_the_strategys_bug() -> None:
    with pytest.raises(StrategyError, match=r"^expected a score for each channel, got NaN"):
        pruned_in_order({"a": [0.1, float("nan")]})
