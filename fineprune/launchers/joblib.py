"""`hydra/launcher=joblib`: jobs side by side on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Literal

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from fineprune.checks import Count, checked
from fineprune.launchers.job import Jobs, at_a_time, share_of


class Joblib(Launcher):
    """Processes of joblib's, `n_jobs` at a time, −1 for one for each core; they share the cores."""

    @checked("hydra.launcher")
    def __init__(self, n_jobs: Literal[-1] | Count = -1) -> None:
        self.n_jobs = n_jobs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._common = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a job for each of these overrides; one that is killed returns nothing, and leaves the others alone."""
        jobs = Jobs(*self._common, Singleton.get_state())
        count, cores = at_a_time(self.n_jobs, len(job_overrides))
        workers = [Worker(jobs, share_of(cores, count)) for _ in range(count)]
        idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in workers:
            idle.put(worker)

        def run(number: int, overrides: Sequence[str]) -> JobReturn:
            worker = idle.get()
            try:
                return worker.run(number, overrides)
            finally:
                idle.put(worker)

        with ThreadPoolExecutor(count) as threads, _ending(workers):
            return list(threads.map(run, range(initial_job_idx, initial_job_idx + len(job_overrides)), job_overrides))


class Worker:
    """A process that runs one job after the other; where it is killed, another takes its place.

    It is in a pool of its own, since joblib ends all processes of a pool in which one was killed.
    """

    def __init__(self, jobs: Jobs, environment: dict[str, str]) -> None:
        self._jobs, self._environment = jobs, environment
        self._begin()

    def run(self, number: int, overrides: Sequence[str]) -> JobReturn:
        """What the job returns; of one that was killed nothing, which the end of the grid tells of."""
        try:
            returned: JobReturn = self._pool.submit(self._jobs.run, number, overrides).result()
            return returned
        except BrokenExecutor:
            self._begin()
            return JobReturn(overrides=overrides, status=JobStatus.COMPLETED)

    def end(self, at_once: bool) -> None:
        """End the process, with `at_once` even within a job."""
        self._pool.shutdown(wait=not at_once, kill_workers=at_once)

    def _begin(self) -> None:
        from joblib.externals.loky import ProcessPoolExecutor

        self._pool = ProcessPoolExecutor(1, env=self._environment)


@contextmanager
def _ending(workers: Sequence[Worker]) -> Iterator[None]:
    """End `workers` with the block; where that is left by an error, or the user stops it, even within their jobs."""
    at_once = True
    try:
        yield
        at_once = False
    finally:
        for worker in workers:
            worker.end(at_once)
