"""Logging to MLflow."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from fineprune.checks import checked
from fineprune.errors import ConfigError, FinepruneError, TrackingError, line, plain
from fineprune.files import written_aside
from fineprune.progress import stage
from fineprune.report import records
from fineprune.report.records import Record
from fineprune.tracking import publish
from fineprune.tracking.base import Logged, Tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from fineprune.tracking.read import FinishedSweep


STORE = re.compile(r"https?://.|sqlite:///.|(postgresql|mysql|mssql)(\+\w+)?://.")
PATIENCE = 10  # seconds for another process to leave an SQLite file alone


class MlflowTracking(Tracking):
    """Logs to the MLflow store at `uri`: an SQLite file, beside which the artifacts go, or a server."""

    @checked("tracking")
    def __init__(self, experiment: str, uri: str) -> None:
        if not STORE.match(uri):
            raise ConfigError(
                f"expected tracking.uri to be sqlite:///FILE or a server's address, such as http://127.0.0.1:5000, got "
                f"'{plain(uri)}': set one of these"
            )
        self.experiment, self.uri = experiment, uri
        self._file = Path(uri.removeprefix("sqlite:///")).resolve() if uri.startswith("sqlite:///") else None
        self._unreachable = False

    def context(self) -> dict[str, str]:
        return publish.context()

    def results(self, record: Record) -> Logged | None:
        if self._unreachable or (self._file and not self._file.exists()):
            return None
        with self._going_on_without_server(), self._translated_errors():
            run = publish.finished(*self.open(), record)
            return Logged(run.data.tags, run.data.metrics) if run else None
        return None

    @contextmanager
    def run(self, record: Record) -> Iterator[None]:
        run_id = None
        with self._going_on_without_server(), self._translated_errors():
            if not self._unreachable:
                client, experiment = self.open()
                publish.end_stale(client, experiment, record)
                run_id = publish.open_run(client, experiment, record, publish.this_process()).info.run_id
        try:
            yield
        except BaseException as reason:
            if run_id:
                with suppress(TrackingError), self._translated_errors():
                    publish.end_early(client, run_id, reason)
            raise

    def publish(self, folder: Path) -> bool:
        record = records.read(folder)
        # Two processes at once would both find no run, and log it twice.
        with FileLock(folder / "run.lock"), self._translated_errors(), stage("logging to MLflow"):
            return publish.complete(*self.open(), record, folder)

    def open(self) -> tuple[MlflowClient, str]:
        """A client and the identifier of the experiment; store and experiment are created where they are missing."""
        from mlflow import MlflowClient

        with self._translated_errors():
            if self._file is None:
                return self._open(self.uri, None)
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # Processes that open a fresh SQLite store at once would all migrate its schema, and crash; one that is
            # killed meanwhile would leave a schema that no other can migrate.
            with FileLock(self._file.with_suffix(".lock")):
                if not self._file.exists():
                    with stage("making the MLflow store"), written_aside(self._file) as aside:
                        MlflowClient(f"sqlite:///{aside}").search_experiments(max_results=1)
                self._check_file(self._file)
                return self._open(f"sqlite:///{self._file}", (self._file.parent / "artifacts").as_uri())

    @staticmethod
    def _check_file(file: Path) -> None:
        """Raise sqlite3.Error if `file` cannot be read: MLflow would try again for minutes."""
        with closing(sqlite3.connect(file, timeout=PATIENCE)) as store:
            store.execute("SELECT count(*) FROM sqlite_master")

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Turn the errors of MLflow and its store into a TrackingError of one line."""
        try:
            yield
        except FinepruneError:
            raise
        # A server may answer anything, which MLflow and its libraries end in errors of any kind.
        except Exception as reason:
            raise TrackingError(
                f"expected an MLflow store at {plain(self.uri)}, got: {line(reason)}; set tracking.uri or tracking=none"
            ) from reason

    @contextmanager
    def _going_on_without_server(self) -> Iterator[None]:
        """Go on if the server cannot be reached: the sweep can be published later. For an SQLite file, raise."""
        try:
            yield
        except TrackingError:
            if self._file is not None or not self.uri.startswith("http"):
                raise
            self._unreachable = True

    def _open(self, uri: str, artifacts: str | None) -> tuple[MlflowClient, str]:
        from mlflow import MlflowClient

        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name(self.experiment)
        if experiment is None:
            return client, client.create_experiment(self.experiment, artifacts)
        if experiment.lifecycle_stage != "active":
            raise ConfigError(
                f"expected tracking.experiment to be in use, got '{self.experiment}', which was deleted"
                ": restore it in MLflow, or set another name"
            )
        return client, experiment.experiment_id

    def finished(self, grid: str = "", filter_string: str = "") -> list[FinishedSweep]:
        from fineprune.tracking.read import finished

        if self._file is not None and not self._file.exists():
            raise FinepruneError(f"expected finished sweeps in {plain(self.uri)}, got no such file: run a sweep first")
        with self._translated_errors():
            if self._file is not None:
                self._check_file(self._file)
            return finished(
                self.uri if self._file is None else f"sqlite:///{self._file}", self.experiment, grid, filter_string
            )
