"""The tests of significance, checked against published examples and cases worked by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweeps import grid

from fineprune.comparison import figures, statistics
from fineprune.comparison.frame import tidy
from fineprune.comparison.ranking import Contest, contest
from fineprune.tracking.read import FinishedSweep

# J. Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7 (2006), table 6: AUC of C4.5 without
# tuning, tuned by m, by cf, and by both, on 14 data sets. In the last row but one, the table prints 0.975 twice and
# ranks cf before m+cf; here cf is a little larger.
DEMSAR = pd.DataFrame(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ],
    columns=["C4.5", "m", "cf", "m+cf"],
)


def test_average_ranks_as_published() -> None:
    ranks = statistics.average_ranks(DEMSAR)
    assert ranks.round(3).to_dict() == {"m+cf": 1.964, "m": 2.0, "cf": 2.893, "C4.5": 3.143}


def test_critical_difference_as_published() -> None:
    # q = 2.569 for four classifiers at 0.05; 2.569 · √(4 · 5 / (6 · 14)) = 1.25
    assert statistics.critical_difference(4, 14) == pytest.approx(2.569 * (20 / 84) ** 0.5, abs=5e-4)
    assert round(statistics.critical_difference(4, 14), 2) == 1.25
    # The table of q on the same page: 2 to 10 classifiers.
    for methods, q in zip(range(3, 11), [2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164], strict=True):
        by_hand = q * (methods * (methods + 1) / (6 * 10)) ** 0.5
        assert statistics.critical_difference(methods, 10) == pytest.approx(by_hand, rel=5e-4)


def test_friedmans_statistic_is_near_the_published_one() -> None:
    # Published without correction for ties: χ² = 9.28 with 3 degrees of freedom, p = 0.026. The correction raises χ².
    assert 0.015 < statistics.friedman(DEMSAR) < 0.0258


def test_the_published_groups() -> None:
    # At 0.05 not even the best and the worst differ; at 0.10, where the critical difference is 1.12, C4.5 is worse than
    # m and m+cf, and cf belongs to both groups.
    ranks = statistics.average_ranks(DEMSAR)
    assert figures.cliques(ranks, statistics.critical_difference(4, 14)) == [(0, 3)]
    assert figures.cliques(ranks, 1.12) == [(0, 2), (2, 3)]


def test_groups_by_hand() -> None:
    assert figures.cliques(pd.Series([1.0, 1.5, 2.5, 4.0]), 1.0) == [(0, 1)]
    assert figures.cliques(pd.Series([1.0, 1.5, 2.4, 4.0]), 1.0) == [(0, 1), (1, 2)]
    assert figures.cliques(pd.Series([1.0, 3.0]), 1.0) == []


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04, and the last is raised to its forerunner.
    corrected = statistics.holm(pd.Series([0.01, 0.04, 0.03, 0.005]))
    assert corrected.tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm(pd.Series([0.6, 0.9])).tolist() == [1, 1]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values: list[float]) -> None:
    rejected = set()
    for position, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] * (len(p_values) - position) >= 0.05:
            break
        rejected.add(index)
    corrected = statistics.holm(pd.Series(p_values))
    assert set(corrected.index[corrected < 0.05]) == rejected


def test_wilcoxon_by_hand() -> None:
    # Six differences of one sign: of the 2⁶ ways to set the signs, two are as extreme.
    assert statistics.wilcoxon(pd.Series([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])) == pytest.approx(2 / 64)
    # Ranks 1 to 5, the smallest is negative: sums of 1 or less, or 14 or more, in 4 of 32 ways.
    assert statistics.wilcoxon(pd.Series([-0.1, 0.2, 0.3, 0.4, 0.5])) == pytest.approx(4 / 32)
    assert statistics.wilcoxon(pd.Series([0.0, 0.0, 0.0])) == 1


@pytest.mark.parametrize("comparisons", [1, 3, 6, 10, 190])
def test_as_many_blocks_as_needed_and_one_less(comparisons: int) -> None:
    needed = statistics.needed_blocks(comparisons)
    smallest = [statistics.wilcoxon(pd.Series(np.arange(1.0, count + 1))) for count in (needed, needed - 1)]
    assert smallest[0] * comparisons < 0.05 <= smallest[1] * comparisons


def among(runs: list[FinishedSweep]) -> Contest:
    """The contest without the untouched BadNet."""
    results = tidy(runs)
    return contest(results[results["method"] != "untouched"], "2_percent")


def test_two_methods_that_differ_and_blocks_enough_to_tell() -> None:
    tests = statistics.test(among(grid({"a": [0.1, 0.2, 0.3] * 2, "b": [0.5, 0.7, 0.9] * 2})))
    assert (tests.blocks, tests.needed, tests.enough) == (6, 6, True)
    (pair,) = tests.pairs.to_dict("records")
    assert (pair["first"], pair["second"], bool(pair["differ"])) == ("a", "b", True)
    assert pair["difference"] == pytest.approx(0.25)
    assert np.isnan([tests.friedman, tests.critical_difference]).all()


def test_too_few_blocks_to_tell() -> None:
    tests = statistics.test(among(grid({"a": [0.1] * 5, "b": [0.5] * 5})))
    assert (tests.blocks, tests.needed, tests.enough) == (5, 6, False)
    assert not tests.pairs["differ"].any()


def test_ties_everywhere() -> None:
    tests = statistics.test(among(grid({"a": [0.5] * 2, "b": [0.5] * 2, "c": [0.5] * 2})))
    assert (tests.friedman, tests.pairs["p_holm"].tolist()) == (1, [1, 1, 1])
    assert tests.ranks.tolist() == [2, 2, 2]


def test_one_method_has_nothing_to_be_tested_against() -> None:
    tests = statistics.test(among(grid({"a": [0.5, 0.6]})))
    assert tests.pairs.empty and np.isnan(tests.friedman)
