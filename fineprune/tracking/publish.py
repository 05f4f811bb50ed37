"""A run's record in MLflow: opened while the sweep runs, completed from the run folder. Both can be repeated."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fineprune.errors import plain, without_secrets
from fineprune.files import is_alive, machine, open_own
from fineprune.report.records import Record

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

    tags: dict[str, str] = resolve_tags()
    commit = {"commit": tags["mlflow.source.git.commit"]} if "mlflow.source.git.commit" in tags else {}
    # The address of a repository may hold a password.
    return {key: without_secrets(tag) for key, tag in (tags | commit).items()}


def this_process() -> str:
    """Where the process is, and its number there."""
    return f"{machine()}:{os.getpid()}"


def finished(client: MlflowClient, experiment: str, record: Record) -> Run | None:
    """The same grid's finished run whose results are those of `record`; None where there is none."""
    return next(iter(client.search_runs([experiment], _same_job_done(record), max_results=1)), None)


def end_stale(client: MlflowClient, experiment: str, record: Record) -> None:
    """End as KILLED the running runs with the same identity whose process was on this machine and is gone."""
    for run in client.search_runs([experiment], f"{_same_identity(record)} and attributes.status = 'RUNNING'"):
        where, _, number = run.data.tags.get(PROCESS, "").rpartition(":")
        if where == machine() and number.isdecimal() and not is_alive(int(number)):
            _end(client, run.info.run_id, "KILLED", "the process ended before the run did")


def end_early(client: MlflowClient, run: str, reason: BaseException) -> None:
    """End a run that `reason` breaks off: as KILLED if the process was asked to end, else as FAILED."""
    status = "KILLED" if isinstance(reason, KeyboardInterrupt) else "FAILED"
    _end(client, run, status, plain(f"{type(reason).__name__}: {reason}")[:4000])


def _end(client: MlflowClient, run: str, status: str, why: str) -> None:
    client.set_tag(run, FAILURE, why)
    client.set_terminated(run, status)


def open_run(client: MlflowClient, experiment: str, record: Record, process: str = "") -> Run:
    """The run with the key of `record`, created if it is missing. Duplicates, as retried requests leave, are deleted.

    `process`, if any, is the process that the run ends with.
    """
    from mlflow.entities import Param

    same_key = client.search_runs([experiment], _same_key(record))
    runs = sorted(same_key, key=lambda run: run.info.status != "FINISHED")
    for duplicate in runs[1:]:
        client.delete_run(duplicate.info.run_id)
    if not runs:
        tags = {**record.tags, KEY: record.key} | ({PROCESS: process} if process else {})
        runs = [client.create_run(experiment, start_time=record.started, tags=tags, run_name=record.name)]
    if runs[0].info.status != "FINISHED":
        identifier = runs[0].info.run_id
        client.log_batch(identifier, params=[Param(key, value) for key, value in record.params.items()])
        client.log_inputs(identifier, [_dataset(name, dataset) for name, dataset in record.datasets.items()])
    return runs[0]


def complete(client: MlflowClient, experiment: str, record: Record, folder: Path) -> bool:
    """Log all that `record` and `folder` hold, and set the status FINISHED last. Return whether the run is there.

    Nothing is logged if the run is FINISHED, or another is that did the same job of the grid, as where the command of
    the grid was entered again before what it could not log was published. What is there of the run then ends as KILLED.
    """
    if _done_by_another(client, experiment, record):
        for run in client.search_runs([experiment], f"{_same_key(record)} and attributes.status = 'RUNNING'"):
            _end(client, run.info.run_id, "KILLED", "another run had done the same job of the grid before")
        return False
    run = open_run(client, experiment, record)
    if run.info.status != "FINISHED":
        try:
            _log_all(client, experiment, run, record, folder)
        except KeyboardInterrupt as reason:
            with suppress(Exception):  # the store may be why it was stopped
                end_early(client, run.info.run_id, reason)
            raise
    _tidy(client, run)
    return True


def _done_by_another(client: MlflowClient, experiment: str, record: Record) -> bool:
    if "grid" not in record.tags:
        return False
    done = {run.data.tags.get(KEY) for run in client.search_runs([experiment], _same_job_done(record))}
    return bool(done) and record.key not in done


def _log_all(client: MlflowClient, experiment: str, run: Run, record: Record, folder: Path) -> None:
    from mlflow.entities import Metric, RunTag

    # With the same timestamp, what an earlier attempt logged is the same point again, and counts once.
    metrics = [
        Metric(name, value, record.ended, row)
        for name, values in record.steps.items()
        for row, value in enumerate(values)
        if value is not None
    ]
    metrics += [Metric(name, value, record.ended, 0) for name, value in record.metrics.items()]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run.info.run_id, metrics[start : start + BATCH])
    tags = {**record.tags, "mlflow.note.content": record.note}
    client.log_batch(run.info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    for file in record.files:
        with tempfile.TemporaryDirectory() as aside:
            client.log_artifact(run.info.run_id, str(_copy(folder / file, Path(aside))))
    _log_nets(client, experiment, run, record, folder)
    client.set_terminated(run.info.run_id, "FINISHED", record.ended)


def _copy(file: Path, aside: Path) -> Path:
    """A copy of `file` in `aside`, since MLflow opens what it logs by its name, which could become a link meanwhile."""
    with open_own(file) as source, (aside / file.name).open("wb") as copy:
        shutil.copyfileobj(source, copy)
    return aside / file.name


def _tidy(client: MlflowClient, run: Run) -> None:
    """Remove the tags of unfinished runs; called once the status is FINISHED, so that an interrupted run keeps them."""
    for tag in {PROCESS, FAILURE} & set(run.data.tags):
        client.delete_tag(run.info.run_id, tag)


def _log_nets(client: MlflowClient, experiment: str, run: Run, record: Record, folder: Path) -> None:
    """Log the networks as models that `mlflow.pyfunc.load_model` reads by `loader`; none is pickled."""
    from mlflow.entities import LoggedModelOutput

    identifier = run.info.run_id
    complete_ids = {output.model_id for output in run.outputs.model_outputs} if run.outputs else set()
    logged = client.search_logged_models([experiment], f"source_run_id = '{identifier}'")
    for model in logged:
        if model.model_id not in complete_ids:
            client.delete_logged_model(model.model_id)
    complete_names = {model.name for model in logged if model.model_id in complete_ids}
    for file, row in record.nets.items():
        name = Path(file).stem
        if name not in complete_names:
            about = {"name": record.name, **{key: record.tags[key] for key in ABOUT if key in record.tags}}
            model = client.create_logged_model(experiment, name, identifier, params=about)
            with tempfile.TemporaryDirectory() as aside:
                _copy(folder / file, Path(aside))
                _description(identifier, model.model_id, file).save(str(Path(aside) / "MLmodel"))
                client.log_model_artifacts(model.model_id, aside)
            client.finalize_logged_model(model.model_id, "READY")
            client.log_outputs(identifier, [LoggedModelOutput(model.model_id, row)])


def _description(run: str, model: str, file: str) -> Any:
    from mlflow.models import Model

    description = Model(run_id=run, model_id=model)
    return description.add_flavor(
        "python_function",
        loader_module="fineprune.tracking.loader",
        data=file,
        python_version=platform.python_version(),
    )


def _dataset(name: str, dataset: Any) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    profile = f'{{"images": {dataset["images"]}, "shape": {dataset["shape"]}}}'
    return DatasetInput(
        Dataset(name, dataset["digest"], "local", "{}", profile=profile), [InputTag("mlflow.data.context", name)]
    )


def _same_identity(record: Record) -> str:
    return f"tags.identity = '{record.tags['identity']}'"


def _same_job_done(record: Record) -> str:
    return f"{_same_identity(record)} and tags.grid = '{record.tags['grid']}' and attributes.status = 'FINISHED'"


def _same_key(record: Record) -> str:
    return f"tags.{KEY} = '{record.key}'"
