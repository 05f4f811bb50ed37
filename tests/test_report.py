"""What a sweep tells the log: the figures of its own table."""

from pathlib import Path

import pytest
import tf_keras as keras
from test_sweep import Says, data, keep, planned

from fineprune import report
from fineprune import sweep as sweeps
from fineprune.records import Record
from fineprune.sweep import Sweep


@pytest.fixture
def found(model: keras.Model) -> Sweep:
    return sweeps.run(planned(data(model), Says(keep(0, 1, 1, 1), keep(0, 0, 0, 0)), [1e-9]))


def test_the_log_is_told_what_the_table_says_at_hundredths_of_a_percent(found: Sweep) -> None:
    before = Record("0" * 32, "name", 1, {}, {"strategy": "says"}, {})
    told = report.completed(before, found, [Path("out/performance.csv"), Path("out/pruned_end.h5")])
    assert told.steps["step"] == [0, 2500, 10000]
    for name, values in told.steps.items():
        if name != "step":
            assert values == list(found.full_table[name])
    assert {"fraction_pruned", "glasses/goodnet_asr", "glasses/pruned_der"} <= set(told.steps)
    assert set(told.nets.values()) <= set(told.steps["step"])
    assert list(told.nets) == [f"{name}.h5" for name in found.nets if name != "badnet"]
    assert told.tags["strategy"] == "says"
    assert all(tag == "not reached" or tag.endswith("/4") for key, tag in told.tags.items() if key.startswith("at_"))
    assert (told.key, told.started) == (before.key, before.started)
    assert told.ended > before.started


def test_the_note_is_a_markdown_table_of_the_rates(found: Sweep) -> None:
    head, rule, badnet, *nets = (
        [cell.strip() for cell in row.split("|")[1:-1]] for row in report.note(found).split("\n")
    )
    assert head == ["budget", "pruned", "net", "clean", "false pos", "attack", "ASR", "found", "RA", "DER"]
    assert all(set(cell) <= {"-", ":"} for cell in rule)
    assert badnet[:4] == ["0 %", "0", "B", "100.00"]
    assert [net[2] for net in nets if net[2]] == ["B′", "GoodNet"] * len(found.points)
    assert {len(row) for row in nets} == {len(head)}


def test_the_cost_is_told_with_its_unit(found: Sweep) -> None:
    assert set(found.seconds) == {"strategy", "forward", "evaluation", "finetuning"}
    assert 0 < found.seconds["forward"] < 60
