"""Where a sweep is logged. With `publishing.py` and `logged.py` the only module that knows MLflow."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from fineprune import publishing, records
from fineprune.errors import ConfigError, FinepruneError, TrackingError
from fineprune.files import written_aside
from fineprune.records import Record

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from fineprune.logged import Finished


class Tracking(ABC):
    """What `conf/tracking` chooses from."""

    @abstractmethod
    def context(self) -> dict[str, str]:
        """What the log wants to know of where a run is made, as tags."""

    @abstractmethod
    def holds(self, record: Record) -> bool:
        """Whether a finished run of the same grid found what `record` would."""

    @abstractmethod
    @contextmanager
    def run(self, record: Record) -> Iterator[None]:
        """Show the run as RUNNING while the block goes on, and as FAILED with the reason if it raises."""

    @abstractmethod
    def publish(self, folder: Path) -> None:
        """Log what the finished sweep in `folder` found, once, however often it is called.

        Raises TrackingError where the log cannot be reached.
        """

    @abstractmethod
    def finished(self, grid: str = "", wanted: str = "") -> list[Finished]:
        """The finished sweeps, the latest first; of one grid alone, or that an MLflow filter lets through, if given."""


class NoTracking(Tracking):
    """Results stay in the run folder."""

    def context(self) -> dict[str, str]:
        return {}

    def holds(self, record: Record) -> bool:
        return False

    @contextmanager
    def run(self, record: Record) -> Iterator[None]:
        yield

    def publish(self, folder: Path) -> None:
        pass

    def finished(self, grid: str = "", wanted: str = "") -> list[Finished]:
        raise ConfigError("expected a tracking that keeps runs, got tracking=none: take tracking=mlflow")


class MlflowTracking(Tracking):
    """Logs to the MLflow store at `uri`: an SQLite file, beside which the artifacts go, or a server."""

    def __init__(self, experiment: str, uri: str) -> None:
        self.experiment, self.uri = experiment, uri
        self._file = Path(uri.removeprefix("sqlite:///")).resolve() if uri.startswith("sqlite:///") else None
        self._away = False

    def context(self) -> dict[str, str]:
        return publishing.context()

    def holds(self, record: Record) -> bool:
        if self._away or (self._file and not self._file.exists()):
            return False
        with self._unless_away(), self._reaching():
            return publishing.holds(*self.open(), record)
        return False

    @contextmanager
    def run(self, record: Record) -> Iterator[None]:
        logged = None
        with self._unless_away(), self._reaching():
            if not self._away:
                client, experiment = self.open()
                publishing.end_stale(client, experiment, record)
                logged = publishing.open_run(client, experiment, record, publishing.this_process()).info.run_id
        try:
            yield
        except BaseException as reason:
            if logged:
                with suppress(TrackingError), self._reaching():
                    line = f"{type(reason).__name__}: {' '.join(str(reason).split())}"[:4000]
                    client.set_tag(logged, publishing.FAILURE, line)
                    client.set_terminated(logged, "KILLED" if isinstance(reason, KeyboardInterrupt) else "FAILED")
            raise

    def publish(self, folder: Path) -> None:
        record = records.read(folder)
        # Two at once would each find nothing there, and log it twice.
        with FileLock(folder / "run.lock"), self._reaching():
            publishing.complete(*self.open(), record, folder)

    def open(self) -> tuple[MlflowClient, str]:
        """A client and the identifier of the experiment, both made where they are not there yet."""
        # An absent server then costs seconds, not minutes.
        from mlflow import MlflowClient

        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        with self._reaching():
            if self._file is None:
                return self._open(self.uri, None)
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # Processes that open a fresh SQLite store at once would all migrate its schema, and crash; and one that is
            # killed at that would leave a schema that no other can migrate.
            with FileLock(self._file.with_suffix(".lock")):
                if not self._file.exists():
                    with written_aside(self._file) as aside:
                        MlflowClient(f"sqlite:///{aside}").search_experiments(max_results=1)
                return self._open(f"sqlite:///{self._file}", (self._file.parent / "artifacts").as_uri())

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Turn what MLflow raises where it does not get through into one line."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as reason:
            why = " ".join(str(reason).split())[:300]
            raise TrackingError(
                f"expected an MLflow store at {self.uri}, got: {why}; set tracking.uri or tracking=none"
            ) from reason

    @contextmanager
    def _unless_away(self) -> Iterator[None]:
        """Go on without a server: what a sweep finds can be published later. A file that fails is a mistake."""
        try:
            yield
        except TrackingError:
            if self._file is not None or not self.uri.startswith("http"):
                raise
            self._away = True

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

    def finished(self, grid: str = "", wanted: str = "") -> list[Finished]:
        from fineprune.logged import finished

        if self._file is not None and not self._file.exists():
            raise FinepruneError(f"expected finished sweeps in {self.uri}, got no such file: run runners.sweep first")
        return finished(self.uri if self._file is None else f"sqlite:///{self._file}", self.experiment, grid, wanted)
