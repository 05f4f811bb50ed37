"""Finished sweeps, read back from MLflow."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest

import fineprune
from fineprune.errors import ConfigError, FinepruneError
from fineprune.report.records import Record, now, write
from fineprune.tracking import MlflowTracking, NoTracking
from fineprune.tracking.read import query

TABLE = pd.DataFrame(
    {
        "fraction_pruned": [0.0, 0.5, 1.0],
        "clean_test/goodnet_accuracy": [1.0, 0.75, 0.5],
        "hat/goodnet_asr": [0.9, 0.25, 0.0],
        "hat/pruned_robust_accuracy": [0.0, 0.1, 0.2],
    },
)
STEPS = {str(name): list(values) for name, values in TABLE.items()}


@pytest.fixture(scope="module")
def store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """One for all tests."""
    return f"sqlite:///{shutil.copy(empty_store, tmp_path_factory.mktemp('store'))}"


@pytest.fixture
def tracking(store: str, request: pytest.FixtureRequest) -> MlflowTracking:
    """An experiment of its own."""
    return MlflowTracking(request.node.name, store)


def log(
    tracking: MlflowTracking,
    strategy: str = "ours",
    seed: str = "0",
    grid: str = "a",
    fail: bool = False,
    steps: Mapping[str, Sequence[float | None]] = STEPS,
    amount: str = "",
) -> None:
    tags = {"strategy": strategy, "attack": "hat", "grid": grid, "identity": strategy + seed + amount}
    tags |= {"amount": amount} if amount else {}
    point = {"at_2_percent/fraction_pruned": 0.5, "at_2_percent/hat/goodnet_asr": 0.25, "badnet/hat/asr": 0.9}
    params = {"seed": seed, "budgets": "[0.02]"}
    record = Record(uuid4().hex, strategy, now(), params, tags, {}, now(), metrics=point, steps=steps)
    with tracking.run(record), TemporaryDirectory() as folder:
        if fail:
            raise ZeroDivisionError
        write(record, Path(folder))
        tracking.publish(Path(folder))


@pytest.mark.slow
def test_finished_runs_with_their_steps(tracking: MlflowTracking) -> None:
    log(tracking)
    with pytest.raises(ZeroDivisionError):
        log(tracking, "broken", fail=True)
    (run,) = tracking.finished()
    assert (run.tags["strategy"], run.params["seed"]) == ("ours", "0")
    assert run.metrics["at_2_percent/hat/goodnet_asr"] == 0.25
    expected = TABLE[["fraction_pruned", "clean_test/goodnet_accuracy", "hat/goodnet_asr"]]
    pd.testing.assert_frame_equal(run.steps.reset_index(drop=True), expected, check_like=True)
    assert list(run.steps.index) == [0, 1, 2]


def test_steps_of_equal_share_are_rows_of_their_own(tracking: MlflowTracking) -> None:
    steps = {"fraction_pruned": [0.5] * 4, "hat/goodnet_asr": [0.9, 0.5, 0.25, 0.0]}
    log(tracking, steps=steps)
    (run,) = tracking.finished()
    assert {str(name): list(values) for name, values in run.steps.items()} == steps


def test_steps_go_by_the_amount_that_the_run_names_else_by_the_share_pruned(tracking: MlflowTracking) -> None:
    steps = {"fraction_pruned": [0.0] * 3, "epoch": [None, 1.0, 2.0], "loss": [3.0] * 3, "hat/goodnet_asr": [0.9] * 3}
    log(tracking, steps=steps)
    log(tracking, steps=steps, amount="epoch")
    named, unnamed = tracking.finished()
    assert (named.amount, unnamed.amount) == ("epoch", "fraction_pruned")
    assert set(named.steps) == {"fraction_pruned", "epoch", "hat/goodnet_asr"}
    assert set(unnamed.steps) == {"fraction_pruned", "hat/goodnet_asr"}
    np.testing.assert_equal(named.steps["epoch"].to_numpy(), [np.nan, 1, 2])


def test_what_a_run_is_called_cannot_steer_the_terminal(tracking: MlflowTracking) -> None:
    log(tracking, "our\x1b[31m\ns")
    (run,) = tracking.finished()
    assert run.tags["strategy"] == r"our\x1b[31m s"


def test_the_latest_comes_first(tracking: MlflowTracking) -> None:
    for strategy in ("first", "second"):
        log(tracking, strategy)
    assert [run.tags["strategy"] for run in tracking.finished()] == ["second", "first"]


def test_runs_that_are_no_sweeps_are_left_out(tracking: MlflowTracking) -> None:
    log(tracking)
    client, experiment = tracking.open()
    other = client.create_run(experiment)
    client.log_param(other.info.run_id, "seed", "zero")
    client.set_terminated(other.info.run_id)
    assert len(tracking.finished()) == 1


def test_a_comparison_is_no_sweep_whatever_else_it_is_tagged(tracking: MlflowTracking) -> None:
    log(tracking)
    client, experiment = tracking.open()
    tags = {"comparison": "true", "strategy": "ours"}
    other = client.create_run(experiment, tags=tags)
    client.log_param(other.info.run_id, "seed", "0")
    client.set_terminated(other.info.run_id)
    assert len(tracking.finished()) == 1


def test_runs_are_chosen_by_grid_or_by_a_filter_of_mlflow(tracking: MlflowTracking) -> None:
    log(tracking, "ours", grid="a")
    log(tracking, "theirs", grid="b")
    for wanted in ({"grid": "b"}, {"filter_string": "tags.strategy = 'theirs'"}):
        assert [run.tags["strategy"] for run in tracking.finished(**wanted)] == ["theirs"]
    with pytest.raises(FinepruneError, match="got none"):
        tracking.finished("a", "tags.strategy = 'theirs'")


def test_a_grid_is_put_as_mlflow_wants_it() -> None:
    assert query("2026-01-31_12-00-00", " metrics.x > 1 ") == (
        "attributes.status = 'FINISHED' AND tags.grid = '2026-01-31_12-00-00' AND metrics.x > 1"
    )
    with pytest.raises(ConfigError, match="^expected grid to be letters, digits and . : \\+ - _, got "):
        query("it's", "")


def test_a_filter_that_is_none_is_said(tracking: MlflowTracking) -> None:
    log(tracking)
    with pytest.raises(ConfigError, match="^expected filter to be in MLflow's language, got: .*; write it as "):
        tracking.finished(filter_string="nonsense")


def test_nothing_found_is_said(tracking: MlflowTracking) -> None:
    log(tracking)
    with pytest.raises(FinepruneError) as error:
        tracking.finished("c")
    assert str(error.value) == (
        f"expected finished sweeps in the experiment '{tracking.experiment}' where attributes.status = 'FINISHED' AND "
        "tags.grid = 'c', got none: run a sweep first, or choose another tracking.experiment, grid or filter"
    )


def test_an_unknown_experiment_is_said_and_not_made(tracking: MlflowTracking) -> None:
    log(tracking)
    other = MlflowTracking("trail", tracking.uri)
    for _ in range(2):
        with pytest.raises(ConfigError, match=rf"of Default, .*{tracking.experiment}.*, got 'trail': set"):
            other.finished()


def test_a_store_that_is_not_there_is_said_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(FinepruneError, match="^expected finished sweeps in sqlite:.*, got no such file: run "):
        MlflowTracking("trial", f"sqlite:///{tmp_path}/mlflow.db").finished()
    assert list(tmp_path.iterdir()) == []


def test_no_tracking_keeps_no_runs() -> None:
    with pytest.raises(ConfigError, match="got tracking=none: take tracking=mlflow"):
        NoTracking().finished()


def test_a_tidy_frame_from_python(tracking: MlflowTracking, monkeypatch: pytest.MonkeyPatch) -> None:
    log(tracking)
    untouched, row = fineprune.compare(tracking.experiment, uri=tracking.uri).to_dict("records")
    assert untouched["method"] == "untouched"
    assert (row["method"], row["attack"], row["trigger"], row["goodnet_asr"]) == ("ours", "hat", "hat", 0.25)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.uri)
    assert len(fineprune.compare(tracking.experiment, grid="a")) == 2
