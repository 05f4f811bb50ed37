"""What a sweep leaves in MLflow, also when it fails, is published in pieces, and when several start at once."""

import multiprocessing
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run as Logged
from nets import tiny
from omegaconf import OmegaConf
from samples import pictures

from fineprune.errors import ConfigError, DataError, FinepruneError, TrackingError
from fineprune.files import machine, save_model
from fineprune.report import records
from fineprune.report.records import Record
from fineprune.tracking import MlflowTracking, NoTracking, publish
from runners import publish as runner

STEPS = {"fraction_pruned": [0.0, 0.5, 1.0], "glasses/pruned_asr": [0.9, 0.25, 0.0]}


def opened(**more: Any) -> Record:
    """The record of a run that has found nothing yet."""
    tags = {"strategy": "activation", "identity": "abc", "grid": "g"}
    data = {"clean_valid": {"digest": "d1", "images": 4, "shape": [12, 10, 3]}}
    return Record(uuid4().hex, "activation on faces", 1_000, {"seed": "0", "data.name": "faces"}, tags, data, **more)


def swept(folder: Path, record: Record | None = None, steps: dict[str, list[float]] = STEPS) -> Record:
    """A folder as a finished sweep leaves it, with one table and one net."""
    (folder / "performance.csv").write_text("step\n")
    save_model(tiny(), folder / "pruned_2_percent.h5")
    done = replace(
        record or opened(),
        ended=3_000,
        note="| a |",
        metrics={"at_2_percent/glasses/goodnet_asr": 0.125},
        steps=steps,
        files=["performance.csv"],
        nets={"pruned_2_percent.h5": 1},
    )
    records.write(done, folder)
    return done


@pytest.fixture
def tracking(tmp_path: Path, empty_store: Path) -> MlflowTracking:
    (tmp_path / "log").mkdir()
    shutil.copy(empty_store, tmp_path / "log")
    return MlflowTracking("trial", f"sqlite:///{tmp_path}/log/mlflow.db")


@pytest.fixture
def fresh(tmp_path: Path) -> MlflowTracking:
    """A store that is not there yet."""
    return MlflowTracking("trial", f"sqlite:///{tmp_path}/fresh/mlflow.db")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty run folder."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def runs(tracking: MlflowTracking) -> list[Logged]:
    client, experiment = tracking.open()
    return list(client.search_runs([experiment]))


def histories(tracking: MlflowTracking, run: Logged) -> dict[str, list[tuple[int, float]]]:
    """Every value of every metric, by step."""
    client, _ = tracking.open()
    histories_of = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    return {name: sorted((point.step, point.value) for point in history) for name, history in histories_of.items()}


EXPECTED = {
    "fraction_pruned": [(0, 0.0), (1, 0.5), (2, 1.0)],
    "glasses/pruned_asr": [(0, 0.9), (1, 0.25), (2, 0.0)],
    "at_2_percent/glasses/goodnet_asr": [(0, 0.125)],
}


def log(tracking: MlflowTracking, folder: Path) -> None:
    record = opened()
    with tracking.run(record):
        swept(folder, record)
    tracking.publish(folder)


def test_a_finished_run(tracking: MlflowTracking, folder: Path, tmp_path: Path) -> None:
    log(tracking, folder)
    (run,) = runs(tracking)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "activation on faces")
    assert (run.info.start_time, run.info.end_time) == (1_000, 3_000)
    assert run.data.params == {"seed": "0", "data.name": "faces"}
    assert run.data.tags.items() >= {"strategy": "activation", "grid": "g", "mlflow.note.content": "| a |"}.items()
    assert not {"failure", "process"} & set(run.data.tags)
    assert histories(tracking, run) == EXPECTED
    artifacts = mlflow.MlflowClient(tracking.uri).list_artifacts(run.info.run_id)
    assert [file.path for file in artifacts] == ["performance.csv"]
    assert run.info.artifact_uri.startswith((tmp_path / "log" / "artifacts").as_uri())


def test_a_run_shows_as_running_until_it_is_published(tracking: MlflowTracking, folder: Path) -> None:
    record = opened()
    with tracking.run(record):
        assert runs(tracking)[0].info.status == "RUNNING"
        swept(folder, record)
    assert runs(tracking)[0].info.status == "RUNNING"


def test_the_data_by_name_and_digest(tracking: MlflowTracking, folder: Path) -> None:
    log(tracking, folder)
    (run,) = runs(tracking)
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("clean_valid", "d1")
    assert given.dataset.profile == '{"images": 4, "shape": [12, 10, 3]}'


def test_more_metrics_than_fit_in_a_batch(tracking: MlflowTracking, folder: Path) -> None:
    steps = {"fraction_pruned": [n / 1500 for n in range(1501)]}
    swept(folder, steps=steps)
    tracking.publish(folder)
    (logged,) = runs(tracking)
    assert histories(tracking, logged)["fraction_pruned"] == list(enumerate(steps["fraction_pruned"]))


@pytest.mark.filterwarnings("ignore:.*type hint:UserWarning")  # of MLflow's own, when it loads its pyfunc
@pytest.mark.slow
def test_a_net_is_a_model_that_pyfunc_loads_without_pickle(tracking: MlflowTracking, folder: Path) -> None:
    log(tracking, folder)
    client, experiment = tracking.open()
    (model,) = client.search_logged_models([experiment])
    assert (model.name, model.status, model.source_run_id) == (
        "pruned_2_percent",
        "READY",
        runs(tracking)[0].info.run_id,
    )
    assert {Path(file.path).name for file in client.list_logged_model_artifacts(model.model_id)} == {
        "MLmodel",
        "pruned_2_percent.h5",
    }
    mlflow.set_tracking_uri(tracking.uri)
    images = pictures(7).astype(np.float32) / 255
    loaded = mlflow.pyfunc.load_model(model.model_uri)
    np.testing.assert_allclose(loaded.predict(images), tiny().predict(images, verbose=0), atol=1e-6)


def test_published_again_it_is_there_once(tracking: MlflowTracking, folder: Path) -> None:
    log(tracking, folder)
    before = runs(tracking)[0].to_dictionary()
    tracking.publish(folder)
    assert [run.to_dictionary() for run in runs(tracking)] == [before]


@pytest.mark.parametrize(
    "broken", ["log_inputs", "log_artifact", "log_model_artifacts", "finalize_logged_model", "log_outputs"]
)
@pytest.mark.slow
def test_what_was_half_published_is_completed(
    broken: str, tracking: MlflowTracking, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: Any, **__: Any) -> None:
        raise OSError("cut off")

    swept(folder)
    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, broken, cut)
        with pytest.raises(TrackingError, match="got: cut off"):
            tracking.publish(folder)
    assert runs(tracking)[0].info.status == "RUNNING"
    tracking.publish(folder)
    (run,) = runs(tracking)
    assert run.info.status == "FINISHED"
    assert histories(tracking, run) == EXPECTED
    assert len(run.inputs.dataset_inputs) == len(run.outputs.model_outputs) == 1
    client, experiment = tracking.open()
    assert [model.name for model in client.search_logged_models([experiment])] == ["pruned_2_percent"]


def test_a_run_that_is_stopped_while_it_is_published_is_killed_and_then_completed(
    tracking: MlflowTracking, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    swept(folder)
    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "log_artifact", stop)
        with pytest.raises(KeyboardInterrupt):
            tracking.publish(folder)
    assert runs(tracking)[0].info.status == "KILLED"
    tracking.publish(folder)
    (run,) = runs(tracking)
    assert run.info.status == "FINISHED" and "failure" not in run.data.tags


@pytest.mark.parametrize("name", ["run.json", "performance.csv", "pruned_2_percent.h5"])
@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_a_file_that_is_another_s_is_not_published(
    name: str, link: Callable[[Path, Path], None], tracking: MlflowTracking, folder: Path, tmp_path: Path
) -> None:
    swept(folder)
    (folder / name).rename(secret := tmp_path / "secret")
    link(folder / name, secret)
    with pytest.raises(DataError, match="got:? a link, a folder, a pipe or a device"):
        tracking.publish(folder)
    assert runs(tracking) == []


def test_a_file_that_becomes_a_link_meanwhile_is_not_published(
    tracking: MlflowTracking, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("key")
    swept(folder)
    log_batch = mlflow.MlflowClient.log_batch

    def swap(*given: Any, **more: Any) -> None:
        log_batch(*given, **more)
        (folder / "performance.csv").unlink(missing_ok=True)
        (folder / "performance.csv").symlink_to(tmp_path / "secret")

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", swap)
    with pytest.raises(TrackingError, match="got: a link"):
        tracking.publish(folder)
    assert mlflow.MlflowClient(tracking.uri).list_artifacts(runs(tracking)[0].info.run_id) == []


def test_of_a_run_that_a_retried_request_made_twice_one_stays(tracking: MlflowTracking, folder: Path) -> None:
    record = swept(folder)
    client, experiment = tracking.open()
    for _ in range(2):
        client.create_run(experiment, tags={publish.KEY: record.key})
    tracking.publish(folder)
    assert [run.info.status for run in runs(tracking)] == ["FINISHED"]


def test_published_twice_at_once_it_is_there_once(
    tracking: MlflowTracking, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = mlflow.MlflowClient.create_run

    def slowly(*given: Any, **more: Any) -> Logged:
        time.sleep(0.5)
        return create(*given, **more)

    swept(folder)
    tracking.open()
    monkeypatch.setattr(mlflow.MlflowClient, "create_run", slowly)
    with ThreadPoolExecutor(2) as two:
        list(two.map(tracking.publish, [folder, folder]))
    (run,) = runs(tracking)
    assert run.info.status == "FINISHED"
    client, experiment = tracking.open()
    assert len(client.search_logged_models([experiment])) == 1


def test_of_two_runs_that_did_the_same_job_of_a_grid_one_is_logged(
    tracking: MlflowTracking, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "anew").mkdir()
    swept(folder)
    anew = swept(tmp_path / "anew")  # by the same command, before the first was published
    alone = replace(opened(), tags={key: tag for key, tag in opened().tags.items() if key != "grid"})
    for made in (tmp_path / "anew", folder):
        tracking.publish(made)
    assert [run.data.tags[publish.KEY] for run in runs(tracking)] == [anew.key]
    swept(folder, alone)
    tracking.publish(folder)
    assert {run.data.tags[publish.KEY] for run in runs(tracking)} == {anew.key, alone.key}


def publish_all(tracking: MlflowTracking, folder: Path) -> None:
    """As the runner does."""
    store = {"_target_": "fineprune.tracking.MlflowTracking", "experiment": tracking.experiment, "uri": tracking.uri}
    runner.publish(OmegaConf.create({"tracking": store, "folder": str(folder)}), folder)


def test_of_two_runs_of_a_job_at_once_the_later_is_ended_and_counted_apart(
    tracking: MlflowTracking, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, later = opened(), opened()
    with tracking.run(first), tracking.run(later):
        for record in (first, later):
            (tmp_path / "runs" / record.key).mkdir(parents=True)
            swept(tmp_path / "runs" / record.key, record)
    tracking.publish(tmp_path / "runs" / first.key)
    for _ in range(2):
        publish_all(tracking, tmp_path / "runs")
        said = "experiment trial: 1 of 2 runs; the jobs of 1 had been done before by another run\n"
        assert capsys.readouterr().out.endswith(said)
        states = {run.data.tags[publish.KEY]: run.info.status for run in runs(tracking)}
        assert states == {first.key: "FINISHED", later.key: "KILLED"}


def test_a_damaged_run_keeps_no_other_from_being_logged(
    tracking: MlflowTracking, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        swept(tmp_path / "runs" / name, replace(opened(), tags={"identity": name}))
    for name in ("a", "c"):
        (tmp_path / "runs" / name / "performance.csv").unlink()
    with pytest.raises(SystemExit) as ended:
        publish_all(tracking, tmp_path / "runs")
    said = capsys.readouterr()
    assert ended.value.code == 2 and said.out.endswith("experiment trial: 1 of 3 runs\n")
    assert re.findall("error: expected performance.csv in .*/runs/(.), ", said.err) == ["a", "c"]


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.slow
def test_a_run_taken_for_dead_that_is_published_after_all_shows_no_failure(
    cut: bool, tracking: MlflowTracking, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, experiment = tracking.open()
    record = swept(folder)
    logged = publish.open_run(client, experiment, record, "host:1").info.run_id
    client.set_tag(logged, publish.FAILURE, "the process ended before the run did")
    client.set_terminated(logged, "KILLED")
    if cut:  # just when it was said to be finished
        monkeypatch.setattr(publish, "_tidy", lambda *_: None)
        tracking.publish(folder)
        monkeypatch.undo()
    tracking.publish(folder)
    (run,) = runs(tracking)
    assert run.info.status == "FINISHED"
    assert not {"failure", "process"} & set(run.data.tags)


@pytest.mark.slow
def test_a_store_is_made_whole_or_not_at_all(fresh: MlflowTracking, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(fresh.uri.removeprefix("sqlite:///"))

    def cut(*_: Any, **__: Any) -> None:
        assert not file.exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "search_experiments", cut)
        with pytest.raises(KeyboardInterrupt):
            fresh.open()
    assert [path.suffix for path in file.parent.iterdir()] == [".lock"]
    assert runs(fresh) == []


def test_a_run_that_breaks_is_failed_with_the_reason(tracking: MlflowTracking) -> None:
    with pytest.raises(ZeroDivisionError), tracking.run(opened()):
        raise ZeroDivisionError("division\nby \x1bzero")
    (run,) = runs(tracking)
    assert run.info.status == "FAILED"
    assert run.data.tags["failure"] == r"ZeroDivisionError: division by \x1bzero"


def test_a_run_that_is_stopped_is_killed(tracking: MlflowTracking) -> None:
    with pytest.raises(KeyboardInterrupt), tracking.run(opened()):
        raise KeyboardInterrupt
    assert runs(tracking)[0].info.status == "KILLED"


def test_a_grid_holds_what_is_finished_and_the_same(tracking: MlflowTracking, folder: Path) -> None:
    assert not tracking.has_finished(opened())
    with tracking.run(record := opened()):
        assert not tracking.has_finished(opened())
        swept(folder, record)
    tracking.publish(folder)
    assert tracking.has_finished(opened())
    for other in ({"identity": "abd"}, {"grid": "h"}):
        assert not tracking.has_finished(replace(opened(), tags={**opened().tags, **other}))


def test_looking_for_finished_runs_makes_no_store(fresh: MlflowTracking, tmp_path: Path) -> None:
    assert not fresh.has_finished(opened())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "alive", "status"),
    [(machine(), False, "KILLED"), (machine(), True, "RUNNING"), ("other", False, "RUNNING")],
)
def test_a_run_whose_process_is_no_more_is_ended_when_its_job_runs_again(
    host: str, alive: bool, status: str, tracking: MlflowTracking
) -> None:
    ended = multiprocessing.get_context("spawn").Process()
    ended.start()
    ended.join()
    client, experiment = tracking.open()
    process = f"{host}:{os.getpid() if alive else ended.pid}"
    stale = publish.open_run(client, experiment, opened(), process).info.run_id
    with tracking.run(opened()):
        assert client.get_run(stale).info.status == status


def test_a_deleted_experiment_is_said(tracking: MlflowTracking) -> None:
    client, experiment = tracking.open()
    client.delete_experiment(experiment)
    with pytest.raises(ConfigError) as error:
        tracking.open()
    said = "expected tracking.experiment to be in use, got 'trial', which was deleted"
    assert str(error.value) == f"{said}: restore it in MLflow, or set another name"


def test_a_store_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    none = MlflowTracking("trial", f"sqlite:///{tmp_path}/file/mlflow.db")
    with (
        pytest.raises(FinepruneError, match="^expected an MLflow store at sqlite:////.*; set tracking.uri or tracking"),
        none.run(opened()),
    ):
        pytest.fail("the sweep must not start")


@pytest.mark.parametrize("uri", ["nonsense", "", "sqlite:///", "sqlite://", "file:///a", "http://", "ftp://host"])
def test_an_address_that_is_none_is_said(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"^expected tracking.uri to be .*, got '{uri}': set one of these$"):
        MlflowTracking("trial", uri)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("use", ["open", "finished"])
def test_a_damaged_or_locked_store_is_said_at_once(
    use: str, tracking: MlflowTracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fineprune.tracking.mlflow.PATIENCE", 0.1)
    file = tmp_path / "log" / "mlflow.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TrackingError, match="got: database is locked; set tracking.uri"):
            getattr(tracking, use)()
    file.write_bytes(b"no database" * 100)
    with pytest.raises(TrackingError, match="got: file is not a database; set tracking.uri"):
        getattr(tracking, use)()


class Nonsense(BaseHTTPRequestHandler):
    """A server that answers everything with the same."""

    body = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"experiment": 5}',
        b'{"experiment": {"experiment_id": "1"}, "runs": [{}]}',
        b"\x1b[31m<html>",
    ],
)
@pytest.mark.slow
def test_a_server_that_answers_nonsense_is_said(body: bytes, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    swept(folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), type("", (Nonsense,), {"body": body})) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        tracking = MlflowTracking("trial", f"http://me:s3cret@127.0.0.1:{server.server_port}")
        for use in (lambda: tracking.publish(folder), tracking.finished):
            with pytest.raises(FinepruneError) as error:
                use()
            assert str(error.value).isprintable() and "s3cret" not in str(error.value)
        server.shutdown()
    assert "\x1b" not in "".join(capfd.readouterr())


def test_tags_say_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    tags = {"mlflow.git.repoURL": "https://me:s3cret@host/a.git"}
    monkeypatch.setattr("mlflow.tracking.context.registry.resolve_tags", lambda: tags)
    assert publish.context() == {"mlflow.git.repoURL": "https://***@host/a.git"}


def test_what_a_server_says_cannot_steer_the_terminal(
    tracking: MlflowTracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise mlflow.MlflowException("no\x1b[31m\nway" + "!" * 1000)

    monkeypatch.setattr(mlflow.MlflowClient, "get_experiment_by_name", refuse)
    with pytest.raises(TrackingError, match=r"got: no\\x1b\[31m way!+…; set tracking.uri or tracking=none$"):
        tracking.open()


def test_no_tracking_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with NoTracking().run(opened()):
        pass
    NoTracking().publish(tmp_path)
    assert not NoTracking().has_finished(opened())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "expected the folder of a finished sweep, with run.json in it"),
        ("{", "as a sweep wrote it, got: Expecting property name"),
        ("[]", "as a sweep wrote it, got: "),
        ('"files": ["../secret"]', "got: file name '../secret'"),
        ('"files": ["gone.csv"]', "expected gone.csv in "),
        ('"key": "x\' or 1"', "got: key "),
        ('"steps": {"x": [1], "step": [1, 2]}', "got: metrics with unlike numbers of steps"),
        ('"metrics": {"x": "high"}', "could not convert string to float"),
        ('"metrics": {"x": 1e999}', "got: an infinite metric"),
        ('"steps": {"x": [-Infinity]}', "got: an infinite metric"),
        ('"started": Infinity', "cannot convert float infinity"),
        ('"files": [".ssh"]', "got: file name '.ssh'"),
        ('"files": ["id_rsa"]', "got: file name 'id_rsa'"),
        ('"nets": {"performance.csv": 0}', "got: file name 'performance.csv'"),
    ],
)
def test_a_record_that_is_not_as_written_is_said(text: str | None, message: str, folder: Path) -> None:
    swept(folder)
    file = folder / "run.json"
    if text is None:
        file.unlink()
    else:
        # Of two entries with the same name JSON takes the last.
        file.write_text(f"{file.read_text().rstrip()[:-1]}, {text}}}" if text.startswith('"') else text)
    with pytest.raises(DataError) as error:
        records.read(folder)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_four_processes_on_a_fresh_store_at_once_lose_nothing(fresh: MlflowTracking, tmp_path: Path) -> None:
    expected = {}
    started = []
    for number in range(4):
        made = tmp_path / f"run_{number}"
        made.mkdir()
        values = [number + step / 1000 for step in range(300)]
        steps = {f"split_{n}/rate": values for n in range(6)}
        tags = {**opened().tags, "identity": f"of run {number}"}
        record = swept(made, replace(opened(), name=f"run {number}", tags=tags), steps)
        expected[record.name] = list(enumerate(values))
        program = (
            "from pathlib import Path; from fineprune.report import records\n"
            "from fineprune.tracking import MlflowTracking\n"
            f"tracking, folder = MlflowTracking('trial', {fresh.uri!r}), Path({str(made)!r})\n"
            "with tracking.run(records.read(folder)): pass\n"
            "tracking.publish(folder)\n"
        )
        started.append(subprocess.Popen([sys.executable, "-c", program]))
    assert [process.wait() for process in started] == [0] * 4
    logged = runs(fresh)
    assert sorted(run.info.run_name for run in logged) == sorted(expected)
    for run in logged:
        assert run.info.status == "FINISHED"
        read_back = histories(fresh, run)
        assert all(read_back[f"split_{n}/rate"] == expected[run.info.run_name] for n in range(6))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """`mlflow server` in a process group of its own, so that it dies with its workers."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder

    def start(self) -> None:
        store = [f"--backend-store-uri=sqlite:///{self._folder}/s.db", f"--artifacts-destination={self._folder}/a"]
        command = [sys.executable, "-m", "mlflow", "server", f"--port={self.port}", "--workers=1", *store]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self._process = subprocess.Popen(
            command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.2)
        raise TimeoutError("the server did not start")

    def kill(self) -> None:
        os.killpg(self._process.pid, 9)
        self._process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.mark.servers
def test_a_server_that_dies_halfway_has_the_run_once_when_it_is_back(server: Server, folder: Path) -> None:
    tracking, record = MlflowTracking("trial", server.uri), opened()
    with tracking.run(record):
        server.kill()
        swept(folder, record)
    start = time.monotonic()
    with pytest.raises(TrackingError, match="expected an MLflow store at http"):
        tracking.publish(folder)
    assert time.monotonic() - start < 20
    server.start()
    assert [run.info.status for run in runs(tracking)] == ["RUNNING"]
    for _ in range(2):
        tracking.publish(folder)
    (run,) = runs(tracking)
    assert run.info.status == "FINISHED"
    assert histories(tracking, run) == EXPECTED
    client, experiment = tracking.open()
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["performance.csv"]
    assert len(client.search_logged_models([experiment])) == 1


@pytest.mark.servers
def test_a_sweep_that_breaks_while_the_server_is_away_still_says_why(tmp_path: Path) -> None:
    tracking = MlflowTracking("trial", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ZeroDivisionError), tracking.run(opened()):
        raise ZeroDivisionError
