"""What a sweep tells the log: the figures of its own table."""

from io import StringIO
from pathlib import Path

import pytest
import tf_keras as keras
from plans import Says, data, keep, planned
from rich.console import Console

from fineprune.data.split import Data, hold_out
from fineprune.network.step import Step
from fineprune.report import run_folder
from fineprune.report.records import Record
from fineprune.strategies.rankings.channel_activation import ChannelActivation
from fineprune.sweeping.run import Sweep, run


@pytest.fixture
def sweep(model: keras.Model) -> Sweep:
    return run(planned(data(model), Says(keep(0, 1, 1, 1), keep(0, 0, 0, 0)), [1e-9]))


def test_the_log_is_told_what_the_table_says_row_by_row(sweep: Sweep) -> None:
    before = Record("0" * 32, "name", 1, {}, {"strategy": "says"}, {})
    told = run_folder.with_results(before, sweep, [Path("out/performance.csv"), Path("out/pruned_end.h5")])
    for name, values in told.steps.items():
        assert values == list(sweep.full_table[name])
    assert told.steps["fraction_pruned"] == [0, 0.25, 1]
    assert {"fraction_pruned", "glasses/goodnet_asr", "glasses/pruned_der"} <= set(told.steps)
    assert told.nets == {f"pruned_{point}.h5": row for point, row in sweep.points.items()}
    assert told.tags["strategy"] == "says"
    assert all("/4" in tag for key, tag in told.tags.items() if key.startswith("at_"))
    assert (told.key, told.started) == (before.key, before.started)
    assert told.ended > before.started


@pytest.mark.slow
def test_every_picture_is_there_for_the_screen_and_the_curve_for_print(sweep: Sweep, tmp_path: Path) -> None:
    files = {path.name for path in run_folder.write(sweep, tmp_path, "title", {})}
    assert {file.name for file in tmp_path.iterdir()} == files
    assert {name for name in files if name.endswith((".png", ".pdf"))} == {
        *(f"{name}.png" for name in ("curve", "channels", "failures", "layers")),
        "curve.pdf",
    }


@pytest.mark.slow
def test_without_an_order_of_channels_there_is_no_picture_of_them(model: keras.Model, tmp_path: Path) -> None:
    run_folder.write(run(planned(data(model), Says(Step()), [])), tmp_path, "title", {})
    assert {file.stem for file in tmp_path.glob("*.p*")} == {"curve", "failures", "layers"}


@pytest.mark.parametrize(("step", "amount"), [(Step(), "fraction_pruned"), (Step([], 3, "epoch"), "epoch")])
def test_the_log_names_what_the_steps_go_by(model: keras.Model, step: Step, amount: str) -> None:
    swept = run(planned(data(model), Says(step), []))
    told = run_folder.with_results(Record("0" * 32, "name", 1, {}, {}, {}), swept, [])
    assert told.tags["amount"] == amount
    assert told.steps[amount][1] == step.amount


def test_steps_that_prune_equally_much_are_rows_of_their_own(model: keras.Model) -> None:
    alike = [keep(0, 1, 1, 1), keep(1, 0, 1, 1), keep(1, 1, 0, 1), keep(1, 1, 1, 0)]
    swept = run(planned(data(model), Says(*alike), []))
    told = run_folder.with_results(Record("0" * 32, "name", 1, {}, {}, {}), swept, [])
    assert told.steps["fraction_pruned"] == [0, 0.25, 0.25, 0.25, 0.25]
    assert told.nets == {"pruned_end.h5": 4}


class Trains(Says):
    trains = True


def test_the_log_names_the_images_as_the_summary_does(model: keras.Model) -> None:
    images = data(model)
    swept = run(planned(images, Trains(keep(0, 1, 1, 1))))
    told = run_folder.with_datasets(Record("0" * 32, "name", 1, {}, {}), swept.plan).datasets
    splits = run_folder.summary(swept, {})["splits"]
    assert {name: {key: known[key] for key in ("images", "digest")} for name, known in told.items()} == splits
    assert images.clean_valid is not None
    rest, judging = hold_out(images.clean_valid, 0.3, 0)
    assert told["clean_valid"] == {"digest": judging.digest, "images": 15, "shape": [12, 10, 3]}
    assert told["seen by strategy and fine-tuning"]["digest"] == rest.digest
    assert set(told) == {"clean_valid", "clean_test", "glasses", "seen by strategy and fine-tuning"}


def test_the_note_is_a_markdown_table_of_the_rates(sweep: Sweep) -> None:
    head, rule, badnet, *nets = (
        [cell.strip() for cell in row.split("|")[1:-1]] for row in run_folder.note(sweep).split("\n")
    )
    assert head == ["budget", "pruned", "net", "clean", "false pos", "attack", "ASR", "found", "DER"]  # no true labels
    assert all(set(cell) <= {"-", ":"} for cell in rule)
    assert badnet[:4] == ["0 %", "0", "B", "100.00"]
    assert [net[2] for net in nets if net[2]] == ["B′", "GoodNet"] * len(sweep.points)
    assert {len(row) for row in nets} == {len(head)}


def test_a_budget_that_is_never_reached_has_its_rates_and_says_so_everywhere(model: keras.Model) -> None:
    whole = run(planned(data(model), Says(keep(1, 1, 1, 1)), [0.02]))
    logged = run_folder.with_results(Record("0" * 32, "name", 1, {}, {}, {}), whole, [])
    (budget,) = run_folder.summary(whole, {})["budgets"]
    assert (budget["reached"], budget["pruned_net"]) == (False, "pruned_2_percent.h5")
    assert budget["clean_test/goodnet_accuracy"] == logged.metrics["at_2_percent/clean_test/goodnet_accuracy"]
    assert logged.metrics["at_2_percent/reached"] == 0
    assert logged.tags["at_2_percent"] == "0/4, not reached"
    console = Console(width=80, file=StringIO())
    run_folder.show(whole, console)
    assert "2 %†" in console.file.getvalue()
    assert "† never reached: the last step" in console.file.getvalue()


def test_the_cost_is_told_with_its_unit(sweep: Sweep) -> None:
    assert set(sweep.seconds) == {"strategy", "forward", "evaluation", "finetuning"}
    assert 0 < sweep.seconds["forward"] < 60


def test_what_is_pruned_stands_below_the_table_and_in_the_summary(sweep: Sweep) -> None:
    assert "pruned: channels of conv_1" in run_folder.printed(sweep)
    assert run_folder.summary(sweep, {})["prunes"] == "channels of conv_1"


@pytest.mark.slow
def test_where_channels_are_ranked_stands_there_if_it_is_elsewhere(sweep: Sweep, model: keras.Model) -> None:
    ranked = run(planned(data(model), ChannelActivation(), []))
    lines = " ".join(run_folder.printed(ranked).split())
    assert "pruned: channels of conv_2, ranked at pool_2" in lines
    assert run_folder.summary(ranked, {})["ranked_at"] == {"conv_2": "pool_2"}
    assert "ranked at" not in run_folder.printed(sweep)
    assert run_folder.summary(sweep, {})["ranked_at"] == {}


def test_of_clean_validation_alone_the_goodnet_has_no_row(model: keras.Model) -> None:
    images = data(model)
    alone = Data(images.name, images.clean_valid)
    assert "GoodNet" not in run_folder.printed(run(planned(alone, Says(keep(0, 1, 1, 1)), [])))
    assert "GoodNet" in run_folder.printed(run(planned(images, Says(keep(0, 1, 1, 1)), [])))
