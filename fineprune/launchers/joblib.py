"""`hydra/launcher=joblib`: jobs side by side on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from queue import SimpleQueue

from hydra.core.utils import JobReturn

from fineprune.launchers.job import Jobs, Run, SideBySide, Task, killed


class Joblib(SideBySide):
    """Processes of joblib's, each of which goes on with the next job."""

    @contextmanager
    def running(self, jobs: Jobs, count: int, environment: dict[str, str]) -> Iterator[Run]:
        workers = [Worker(jobs, environment) for _ in range(count)]
        idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in workers:
            idle.put(worker)

        def run(task: Task) -> JobReturn:
            worker = idle.get()
            try:
                return worker.run(task)
            finally:
                idle.put(worker)

        with _ending(workers):
            yield run


class Worker:
    """A process that runs one job after the other; where it is killed, another takes its place.

    It is in a pool of its own, since joblib ends all processes of a pool in which one was killed.
    """

    def __init__(self, jobs: Jobs, environment: dict[str, str]) -> None:
        self._jobs, self._environment = jobs, environment
        self._begin()

    def run(self, task: Task) -> JobReturn:
        """What the task returns; of one that was killed nothing."""
        try:
            returned: JobReturn = self._pool.submit(self._jobs.run, *task.work).result()
            return returned
        except BrokenExecutor:
            self._begin()
            return killed(task)

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
