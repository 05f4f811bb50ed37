"""Rates, worked by hand."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from samples import pictures
from steps import keeping

from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, Data
from fineprune.network.step import Step
from fineprune.sweeping.metrics import defence_effectiveness, performance, rates

SHARED = ["step", "pruned", "total", "fraction_pruned"]
VALID = ["clean_valid/pruned_accuracy"]
TEST = ["clean_test/pruned_accuracy", "clean_test/goodnet_accuracy", "clean_test/goodnet_false_positive_rate"]
GLASSES = ["glasses/pruned_asr", "glasses/goodnet_asr", "glasses/goodnet_detection_rate"]


def labelled(*labels: int, true: list[int] | None = None) -> ArraySplit:
    made = ArraySplit(pictures(len(labels)), np.array(labels), Scaling(1.0))
    made.true_labels = None if true is None else np.array(true)
    return made


def says(*rows: list[int]) -> NDArray[np.int32]:
    return np.array(rows, np.int32)


def step(*keep: int) -> Step:
    return keeping({"conv": np.array(keep, np.float32)})


def test_rates_on_clean_images() -> None:
    measured = rates("x", labelled(0, 1, 2, 1, 1), False, np.array([0, 1, 2, 0, 1]), np.array([0, 1, 1, 0, 2]))
    assert measured == {"x/pruned_accuracy": 2 / 5, "x/goodnet_accuracy": 2 / 5, "x/goodnet_false_positive_rate": 2 / 5}


def test_a_goodnet_is_right_only_where_both_nets_are() -> None:
    measured = rates("x", labelled(1, 1), False, np.array([0, 1]), np.array([1, 1]))
    assert measured == {"x/pruned_accuracy": 1, "x/goodnet_accuracy": 1 / 2, "x/goodnet_false_positive_rate": 1 / 2}


def test_rates_on_poisoned_images() -> None:
    poisoned = labelled(0, 0, 0, 0, true=[1, 2, 3, 1])
    measured = rates("x", poisoned, True, np.array([0, 0, 0, 2]), np.array([0, 2, 3, 0]))
    assert measured == {
        "x/pruned_asr": 2 / 4,
        "x/goodnet_asr": 1 / 4,
        "x/goodnet_detection_rate": 3 / 4,
        "x/pruned_robust_accuracy": 2 / 4,
    }


def test_robust_accuracy_is_absent_where_the_true_classes_are_unknown() -> None:
    assert "x/pruned_robust_accuracy" not in rates("x", labelled(0), True, np.array([0]), np.array([1]))


def test_a_broken_net_is_no_success_of_its_own_accord() -> None:
    """A net that says the target of every image has accuracy 0 and ASR 1, not ASR 0."""
    assert rates("x", labelled(1, 2), False, np.array([1, 2]), np.array([0, 0]))["x/pruned_accuracy"] == 0
    assert rates("x", labelled(0, 0), True, np.array([0, 0]), np.array([0, 0]))["x/pruned_asr"] == 1


@pytest.mark.parametrize(
    ("data", "columns"),
    [
        (Data("d", labelled(0)), VALID),
        (Data("d", labelled(0), labelled(0)), VALID + TEST),
        (Data("d", labelled(0), None, {"glasses": labelled(0)}), VALID + GLASSES),
        (
            Data("d", labelled(0), labelled(0), {"glasses": labelled(0, true=[1])}),
            [*VALID, *TEST, *GLASSES, "glasses/pruned_robust_accuracy"],
        ),
    ],
    ids=["valid alone", "with test", "without test", "true classes known"],
)
def test_columns_of_the_table(data: Data, columns: list[str]) -> None:
    table = performance([step(0, 1)], data, {name: says([0], [0]) for name in data.splits})
    assert list(table) == SHARED + columns


def test_table_worked_by_hand() -> None:
    data = Data("d", labelled(0, 1), labelled(1, 1, 2, 0), {"glasses": labelled(2, 2)})
    said = {
        "clean_valid": says([0, 1], [0, 1], [0, 0]),
        "clean_test": says([1, 1, 2, 1], [1, 1, 0, 1], [0, 0, 0, 0]),
        "glasses": says([2, 2], [2, 1], [1, 1]),
    }
    table = performance([step(0, 1, 1, 1), step(0, 0, 0, 1)], data, said)
    assert table.to_numpy().tolist() == [
        [0, 0, 4, 0, 1, 3 / 4, 3 / 4, 0, 1, 1, 0],
        [1, 1, 4, 1 / 4, 1, 2 / 4, 2 / 4, 1 / 4, 1 / 2, 1 / 2, 1 / 2],
        [2, 3, 4, 3 / 4, 1 / 2, 1 / 4, 0, 1, 0, 0, 1],
    ]


@pytest.mark.parametrize(
    ("accuracy", "asr", "der"),
    [
        ([0.9, 0.8], [1.0, 0.2], 0.85),  # (0.8 − 0.1 + 1) / 2
        ([0.9, 0.95], [1.0, 0.2], 0.9),  # a gain of accuracy counts as no loss
        ([0.9, 0.8], [0.2, 0.5], 0.45),  # a rise of ASR counts as no fall
        ([1.0, 0.0], [1.0, 1.0], 0.0),
        ([1.0, 1.0], [1.0, 0.0], 1.0),
    ],
)
def test_defence_effectiveness_subtracts_the_fall_of_accuracy(
    accuracy: list[float], asr: list[float], der: float
) -> None:
    table = pd.DataFrame({"clean_test/pruned_accuracy": accuracy, "glasses/pruned_asr": asr})
    measured = defence_effectiveness(table)
    assert list(measured) == ["glasses/pruned_der"]
    assert measured["glasses/pruned_der"].tolist() == pytest.approx([0.5, der])


def test_no_defence_effectiveness_without_clean_test() -> None:
    assert defence_effectiveness(pd.DataFrame({"glasses/pruned_asr": [1.0, 0.0]})).shape == (2, 0)
