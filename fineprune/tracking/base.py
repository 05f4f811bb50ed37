"""Where a sweep is logged: what `conf/tracking` chooses from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fineprune.errors import ConfigError
from fineprune.report.records import Record

if TYPE_CHECKING:
    from fineprune.tracking.read import FinishedSweep


class Logged(NamedTuple):
    """What was logged of a run that has finished."""

    tags: Mapping[str, str]
    metrics: Mapping[str, float]


class Tracking(ABC):
    """What `conf/tracking` chooses from."""

    @abstractmethod
    def context(self) -> dict[str, str]:
        """Where and by which code a run is made, as tags for the log."""

    @abstractmethod
    def results(self, record: Record) -> Logged | None:
        """Of the same grid's finished run whose results are those of `record`; None where there is none."""

    def has_finished(self, record: Record) -> bool:
        """Whether there is such a run."""
        return self.results(record) is not None

    @abstractmethod
    @contextmanager
    def run(self, record: Record) -> Iterator[None]:
        """Show the run as RUNNING while the block runs, and as FAILED with the reason if it raises."""

    @abstractmethod
    def publish(self, folder: Path) -> bool:
        """Log the finished sweep in `folder`; calling it again logs nothing twice.

        Return whether it is in the log: it is not where another run had done the same job of the grid before. Raises
        TrackingError where the log cannot be reached.
        """

    @abstractmethod
    def finished(self, grid: str = "", filter_string: str = "") -> list[FinishedSweep]:
        """The finished sweeps, the latest first; only those of `grid` and those that match the filter, where given.

        `filter_string` is in MLflow's language.
        """


class NoTracking(Tracking):
    """Results stay in the run folder."""

    def context(self) -> dict[str, str]:
        return {}

    def results(self, record: Record) -> Logged | None:
        return None

    @contextmanager
    def run(self, record: Record) -> Iterator[None]:
        yield

    def publish(self, folder: Path) -> bool:
        return False

    def finished(self, grid: str = "", filter_string: str = "") -> list[FinishedSweep]:
        raise ConfigError("expected a tracking that keeps runs, got tracking=none: take tracking=mlflow")
