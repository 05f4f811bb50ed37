"""A run's record in MLflow: opened while the sweep goes on, completed from the run folder, both as often as need be.

With `tracking.py` and `logged.py` the only module that knows MLflow.
"""

from __future__ import annotations

import os
import platform
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fineprune.files import is_alive
from fineprune.records import Record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

BATCH = 1000
KEY = "run_key"
PROCESS = "process"  # only while a run is RUNNING
FAILURE = "failure"
ABOUT = ("strategy", "finetune", "attack", "data")


def context() -> dict[str, str]:
    """Where and by which code a run is made, as tags."""
    from mlflow.tracking.context.registry import resolve_tags

    found: dict[str, str] = resolve_tags()
    commit = {"commit": found["mlflow.source.git.commit"]} if "mlflow.source.git.commit" in found else {}
    return found | commit


def this_process() -> str:
    """The machine's name and the process's number."""
    return f"{socket.gethostname()}:{os.getpid()}"


def holds(client: MlflowClient, experiment: str, record: Record) -> bool:
    """Whether a finished run of the same grid found what `record` would."""
    alike = f"{_alike(record)} and tags.grid = '{record.tags['grid']}' and attributes.status = 'FINISHED'"
    return bool(client.search_runs([experiment], alike, max_results=1))


def end_stale(client: MlflowClient, experiment: str, record: Record) -> None:
    """End as KILLED the runs that would have found the same, and whose process was on this machine and is no more."""
    for run in client.search_runs([experiment], f"{_alike(record)} and attributes.status = 'RUNNING'"):
        host, _, number = run.data.tags.get(PROCESS, "").rpartition(":")
        if host == socket.gethostname() and number.isdecimal() and not is_alive(int(number)):
            client.set_tag(run.info.run_id, FAILURE, "the process ended before the run did")
            client.set_terminated(run.info.run_id, "KILLED")


def open_run(client: MlflowClient, experiment: str, record: Record, process: str = "") -> Run:
    """The run with the key of `record`, made if it is not there yet; of several, as a retried request leaves, one.

    `process` is the one that the run will live and die with, if any.
    """
    from mlflow.entities import Param

    there = client.search_runs([experiment], f"tags.{KEY} = '{record.key}'")
    found = sorted(there, key=lambda run: run.info.status != "FINISHED")
    for double in found[1:]:
        client.delete_run(double.info.run_id)
    if not found:
        tags = {**record.tags, KEY: record.key} | ({PROCESS: process} if process else {})
        found = [client.create_run(experiment, start_time=record.started, tags=tags, run_name=record.name)]
    if found[0].info.status != "FINISHED":
        identifier = found[0].info.run_id
        client.log_batch(identifier, params=[Param(key, value) for key, value in record.params.items()])
        client.log_inputs(identifier, [_dataset(name, known) for name, known in record.datasets.items()])
    return found[0]


def complete(client: MlflowClient, experiment: str, record: Record, folder: Path) -> None:
    """Put all that `record` and `folder` hold into the run, unless it is FINISHED; say that it is last of all."""
    from mlflow.entities import Metric, RunTag

    run = open_run(client, experiment, record)
    if run.info.status == "FINISHED":
        _tidy(client, run)
        return
    # With the same timestamp, what an attempt before this one logged is the same point again, and counts once.
    places = [int(step) for step in record.steps.get("step", ())]
    metrics = [
        Metric(name, value, record.ended, step)
        for name, values in record.steps.items()
        if name != "step"
        for step, value in zip(places, values, strict=True)
    ]
    metrics += [Metric(name, value, record.ended, 0) for name, value in record.metrics.items()]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run.info.run_id, metrics[start : start + BATCH])
    tags = {**record.tags, "mlflow.note.content": record.note}
    client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    for file in record.files:
        client.log_artifact(run.info.run_id, str(folder / file))
    _log_nets(client, experiment, run, record, folder)
    client.set_terminated(run.info.run_id, "FINISHED", record.ended)
    _tidy(client, run)


def _tidy(client: MlflowClient, run: Run) -> None:
    """Remove what is true only of a run that is not finished; after that is said, so that it can be told until then."""
    for tag in {PROCESS, FAILURE} & set(run.data.tags):
        client.delete_tag(run.info.run_id, tag)


def _log_nets(client: MlflowClient, experiment: str, run: Run, record: Record, folder: Path) -> None:
    """Log the networks as models that `mlflow.pyfunc.load_model` reads by `fineprune.loader`; none is pickled."""
    from mlflow.entities import LoggedModelOutput

    identifier = run.info.run_id
    whole = {output.model_id for output in run.outputs.model_outputs} if run.outputs else set()
    there = client.search_logged_models([experiment], f"source_run_id = '{identifier}'")
    for model in there:
        if model.model_id not in whole:
            client.delete_logged_model(model.model_id)
    done = {model.name for model in there if model.model_id in whole}
    for file, step in record.nets.items():
        name = Path(file).stem
        if name not in done:
            about = {"name": record.name, **{key: record.tags[key] for key in ABOUT if key in record.tags}}
            model = client.create_logged_model(experiment, name, identifier, params=about)
            with tempfile.TemporaryDirectory() as aside:
                (Path(aside) / file).symlink_to((folder / file).resolve())
                _description(identifier, model.model_id, file).save(str(Path(aside) / "MLmodel"))
                client.log_model_artifacts(model.model_id, aside)
            client.finalize_logged_model(model.model_id, "READY")
            client.log_outputs(identifier, [LoggedModelOutput(model.model_id, step)])


def _description(run: str, model: str, file: str) -> Any:
    from mlflow.models import Model

    described = Model(run_id=run, model_id=model)
    return described.add_flavor(
        "python_function", loader_module="fineprune.loader", data=file, python_version=platform.python_version()
    )


def _dataset(name: str, known: Any) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    profile = f'{{"images": {known["images"]}, "shape": {known["shape"]}}}'
    return DatasetInput(
        Dataset(name, known["digest"], "local", "{}", profile=profile), [InputTag("mlflow.data.context", name)]
    )


def _alike(record: Record) -> str:
    return f"tags.identity = '{record.tags['identity']}'"
