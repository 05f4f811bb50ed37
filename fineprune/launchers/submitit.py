"""`hydra/launcher=submitit_local`: jobs side by side on this machine, as submitit hands them to a cluster."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from fineprune.checks import Count, checked
from fineprune.errors import ConfigError
from fineprune.launchers.job import Jobs, at_a_time, share_of

if TYPE_CHECKING:
    from submitit import Job, LocalExecutor

WEEK = 7 * 24 * 60  # minutes


class SubmititLocal(Launcher):
    """A process for each job, `n_jobs` at a time, −1 for one for each core; they share the cores.

    What a job prints is in the folder `.submitit` of the grid.
    """

    @checked("hydra.launcher")
    def __init__(self, n_jobs: Literal[-1] | Count = -1) -> None:
        self.n_jobs = n_jobs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._common = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a job for each of these overrides; one that is killed returns nothing, and leaves the others alone."""
        jobs = Jobs(*self._common, Singleton.get_state())
        count, cores = at_a_time(self.n_jobs, len(job_overrides))
        executor = _executor(Path(jobs.config.hydra.sweep.dir) / ".submitit", share_of(cores, count))
        submitted: list[Job[JobReturn]] = []

        def run(number: int, overrides: Sequence[str]) -> JobReturn:
            job = executor.submit(jobs.run, number, overrides)
            submitted.append(job)
            return _returned(job, overrides)

        with ThreadPoolExecutor(count) as threads, _cancelling(submitted):
            return list(threads.map(run, range(initial_job_idx, initial_job_idx + len(job_overrides)), job_overrides))


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
