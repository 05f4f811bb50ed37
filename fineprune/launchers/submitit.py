"""`hydra/launcher=submitit_local`: jobs side by side on this machine, as submitit hands them to a cluster."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, JobStatus

from fineprune.errors import ConfigError
from fineprune.launchers.job import Jobs, Run, SideBySide

if TYPE_CHECKING:
    from submitit import Job, LocalExecutor

WEEK = 7 * 24 * 60  # minutes


class SubmititLocal(SideBySide):
    """A process for each job. What it prints is in the folder `.submitit` of the grid."""

    @contextmanager
    def running(self, jobs: Jobs, count: int, environment: dict[str, str]) -> Iterator[Run]:
        executor = _executor(Path(jobs.config.hydra.sweep.dir) / ".submitit", environment)
        submitted: list[Job[JobReturn]] = []

        def run(number: int, overrides: Sequence[str]) -> JobReturn:
            job = executor.submit(jobs.run, number, overrides)
            submitted.append(job)
            return _returned(job, overrides)

        with _cancelling(submitted):
            yield run


def _executor(folder: Path, environment: dict[str, str]) -> LocalExecutor:
    """What runs jobs in that environment, and keeps its files in `folder`."""
    try:
        from submitit import LocalExecutor
    except ImportError as reason:
        raise ConfigError("expected the package submitit, got none: pip install 'fineprune[submitit]'") from reason
    variables = [f"{name}={value}" for name, value in environment.items()]
    executor = LocalExecutor(folder, python=shlex.join(["env", *variables, sys.executable]))
    executor.update_parameters(timeout_min=WEEK)
    return executor


def _returned(job: Job[JobReturn], overrides: Sequence[str]) -> JobReturn:
    """What the job returns; of one that was killed nothing, which the end of the grid tells of."""
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        return job.result()
    except FailedJobError:
        raise
    except UncompletedJobError:
        return JobReturn(overrides=overrides, status=JobStatus.COMPLETED)


@contextmanager
def _cancelling(submitted: Sequence[Job[JobReturn]]) -> Iterator[None]:
    """Where the block is left by an error, or the user stops it, cancel the jobs that were submitted."""
    try:
        yield
    except BaseException:
        for job in submitted:
            job.cancel()
        raise
