"""A sweep in a few figures, which runs under unlike attacks share."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from plans import swept
from samples import pictures, split

from fineprune.data.split import Data
from fineprune.names import Rate
from fineprune.report import headline, run_folder
from fineprune.sweeping.run import Sweep
from fineprune.tracking.read import _is_of_steps

IMAGES = {"clean_valid": 10, "clean_test": 20, "eyes": 10, "lips": 10}


def sweep(
    mistakes: Mapping[str, Sequence[Sequence[int]]], tuned: Mapping[str, Mapping[str, Sequence[int]]] | None = None
) -> Sweep:
    splits = {name: split(pictures(IMAGES[name]), 4) for name in mistakes}
    clean = {name: splits.pop(name, None) for name in ("clean_valid", "clean_test")}
    return swept(Data("d", **clean, poisoned=splits), mistakes, [0.1, 0.2], tuned)


BEFORE: Sequence[int] = ()
STEPS = {
    "clean_valid": [BEFORE, [0], [0, 1]],
    "clean_test": [BEFORE, [0], [0, 1, 2, 3]],
    "eyes": [BEFORE, [0, 1], range(5)],
    "lips": [BEFORE, BEFORE, [0]],
}


def test_accuracy_of_the_goodnet_and_means_over_triggers_by_hand() -> None:
    assert headline.metrics(sweep(STEPS)) == pytest.approx(
        {
            "accuracy_at_10_percent": 0.95,
            "asr_at_10_percent": 0.9,
            "der_at_10_percent": np.mean([(0.2 - 0.05 + 1) / 2, (0 - 0.05 + 1) / 2]),
            "accuracy_at_20_percent": 0.8,
            "asr_at_20_percent": 0.7,
            "der_at_20_percent": np.mean([(0.5 - 0.2 + 1) / 2, (0.1 - 0.2 + 1) / 2]),
        }
    )
    assert headline.text(sweep(STEPS)) == "clean 80.00, ASR 70.00 at 20 %"


def test_where_anything_is_fine_tuned_it_is_the_fine_tuned_net() -> None:
    tuned = {"20_percent": {"clean_valid": [0], "clean_test": [0], "eyes": range(10), "lips": range(10)}}
    assert headline.text(sweep(STEPS, tuned)) == "clean 95.00, ASR 0.00 at 20 %"


def test_what_was_not_measured_is_absent() -> None:
    only_valid = sweep({"clean_valid": STEPS["clean_valid"]})
    assert headline.metrics(only_valid) == {}
    assert headline.text(only_valid) == "clean 80.00 at 20 %"


def test_who_reads_runs_back_takes_them_for_no_rate_of_an_attack() -> None:
    for name in headline.metrics(sweep(STEPS)):
        assert Rate.parse(name) is None
        assert not _is_of_steps(name, "fraction_pruned")


def test_the_log_holds_no_rate_that_others_say() -> None:
    with_test = set(run_folder.results(sweep(STEPS)))
    assert not {name for name in with_test if "clean_valid" in name}
    assert "badnet/eyes/der" not in with_test
    assert {"badnet/eyes/asr", "at_20_percent/eyes/goodnet_der", "asr_at_20_percent"} <= with_test
    only_valid = run_folder.results(sweep({"clean_valid": STEPS["clean_valid"]}))
    assert only_valid["at_20_percent/clean_valid/pruned_accuracy"] == 0.8
