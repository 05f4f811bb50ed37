"""Where a sweep is logged. The only module that knows MLflow."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from fineprune.errors import ConfigError, FinepruneError

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

    from fineprune.splits import Split

BATCH = 1000


class Run(ABC):
    """One sweep in the log."""

    @abstractmethod
    def start(self, params: Mapping[str, Any], tags: Mapping[str, str], splits: Mapping[str, Split]) -> None:
        """Open the run, once all that a user can get wrong has been checked."""

    @abstractmethod
    def finish(
        self, table: pd.DataFrame, results: Mapping[str, float], tags: Mapping[str, str], files: Sequence[Path]
    ) -> None:
        """Log the metrics of each step, those at the end, and `files`."""


class Tracking(ABC):
    """What `conf/tracking` chooses from."""

    @abstractmethod
    @contextmanager
    def run(self, name: str) -> Iterator[Run]:
        """A run that ends as FINISHED if the block does, and as FAILED with the reason if it raises."""

    @abstractmethod
    def finished(self) -> pd.DataFrame:
        """The finished sweeps, the latest first: a row each, its tags and last metrics as columns.

        `seed` is that of the run; `settings` tells runs apart that differ in anything else than seed and tracking.
        """


class _Silent(Run):
    def start(self, params: Mapping[str, Any], tags: Mapping[str, str], splits: Mapping[str, Split]) -> None:
        pass

    def finish(
        self, table: pd.DataFrame, results: Mapping[str, float], tags: Mapping[str, str], files: Sequence[Path]
    ) -> None:
        pass


class NoTracking(Tracking):
    """Results stay in the run folder."""

    @contextmanager
    def run(self, name: str) -> Iterator[Run]:
        yield _Silent()

    def finished(self) -> pd.DataFrame:
        raise ConfigError("expected a tracking that keeps runs, got tracking=none: take tracking=mlflow")


class MlflowTracking(Tracking):
    """Logs to the MLflow store at `uri`: an SQLite file, beside which the artifacts go, or a server."""

    def __init__(self, experiment: str, uri: str) -> None:
        self.experiment, self.uri = experiment, uri
        self._file = Path(uri.removeprefix("sqlite:///")).resolve() if uri.startswith("sqlite:///") else None

    @contextmanager
    def run(self, name: str) -> Iterator[Run]:
        run = _MlflowRun(self, name)
        try:
            yield run
        except BaseException as reason:
            run.fail(reason)
            raise

    def open(self) -> tuple[MlflowClient, str]:
        """A client and the identifier of the experiment, both made where they are not there yet."""
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        from mlflow.exceptions import MlflowException

        try:
            if self._file is None:
                return self._open(self.uri, None)
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # Processes that open a fresh SQLite store at once would all migrate its schema, and crash.
            with FileLock(self._file.with_suffix(".lock")):
                return self._open(f"sqlite:///{self._file}", (self._file.parent / "artifacts").as_uri())
        except (MlflowException, OSError) as reason:
            why = " ".join(str(reason).split())[:300]
            raise FinepruneError(
                f"expected an MLflow store at {self.uri}, got: {why}; set tracking.uri or tracking=none"
            ) from reason

    def _open(self, uri: str, artifacts: str | None) -> tuple[MlflowClient, str]:
        from mlflow import MlflowClient

        client = MlflowClient(uri)
        found = client.get_experiment_by_name(self.experiment)
        if found is None:
            return client, client.create_experiment(self.experiment, artifacts)
        if found.lifecycle_stage != "active":
            raise ConfigError(
                f"expected tracking.experiment to be in use, got '{self.experiment}', which was deleted"
                ": restore it in MLflow, or set another name"
            )
        return client, found.experiment_id

    def finished(self) -> pd.DataFrame:
        client, experiment = self.open()
        runs, token = [], None
        while token != "":
            page = client.search_runs(
                [experiment], "attributes.status = 'FINISHED'", max_results=1000, page_token=token
            )
            runs += [
                {
                    **run.data.tags,
                    **run.data.metrics,
                    "seed": run.data.params["seed"],
                    "settings": _settings(run.data.params),
                }
                for run in page
                if "seed" in run.data.params
            ]
            token = page.token or ""
        import pandas as pd

        return pd.DataFrame(runs)


def _settings(params: Mapping[str, str]) -> str:
    kept = sorted((key, value) for key, value in params.items() if "seed" not in key and not key.startswith("tracking"))
    return hashlib.sha256(repr(kept).encode()).hexdigest()[:6]


class _MlflowRun(Run):
    def __init__(self, tracking: MlflowTracking, name: str) -> None:
        self._tracking, self._name = tracking, name
        self._id: str | None = None

    def start(self, params: Mapping[str, Any], tags: Mapping[str, str], splits: Mapping[str, Split]) -> None:
        self._client, experiment = self._tracking.open()
        from mlflow.entities import Param
        from mlflow.tracking.context.registry import resolve_tags

        context = resolve_tags()
        commit = {"commit": context["mlflow.source.git.commit"]} if "mlflow.source.git.commit" in context else {}
        run = self._client.create_run(experiment, tags={**context, **commit, **tags}, run_name=self._name)
        self._id = run.info.run_id
        self._client.log_batch(self._id, params=[Param(key, str(value)) for key, value in params.items()])
        self._client.log_inputs(self._id, [_dataset(name, split) for name, split in splits.items()])

    def finish(
        self, table: pd.DataFrame, results: Mapping[str, float], tags: Mapping[str, str], files: Sequence[Path]
    ) -> None:
        if self._id is None:
            raise RuntimeError("finish() before start()")
        from mlflow.entities import Metric, RunTag
        from mlflow.utils.time import get_current_time_millis

        now = get_current_time_millis()
        metrics = [
            Metric(str(name), float(value), now, step)
            for name, values in table.drop(columns="step").items()
            for step, value in enumerate(values)
        ]
        metrics += [Metric(name, value, now, 0) for name, value in results.items()]
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(self._id, metrics[start : start + BATCH])
        self._client.log_batch(self._id, tags=[RunTag(key, value) for key, value in tags.items()])
        for file in files:
            self._client.log_artifact(self._id, str(file))
        self._client.set_terminated(self._id, "FINISHED")

    def fail(self, reason: BaseException) -> None:
        """End the run, if it has been opened, as FAILED, or as KILLED where the user stopped it."""
        if self._id is not None:
            line = f"{type(reason).__name__}: {' '.join(str(reason).split())}"[:4000]
            self._client.set_tag(self._id, "failure", line)
            self._client.set_terminated(self._id, "KILLED" if isinstance(reason, KeyboardInterrupt) else "FAILED")


def _dataset(name: str, split: Split) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    profile = f'{{"images": {len(split)}, "shape": {list(split.shape)}}}'
    return DatasetInput(
        Dataset(name, split.digest, "local", "{}", profile=profile), [InputTag("mlflow.data.context", name)]
    )
