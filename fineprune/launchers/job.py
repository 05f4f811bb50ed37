"""One job of a grid, in whichever process, and its share of the cores."""

from __future__ import annotations

import os
import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event
from typing import Any, Generic, Literal, TypeVar

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from fineprune.checks import Count, checked

# What BLAS, TensorFlow and the libraries below them read when they are loaded.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def share_of(cores: int, jobs: int) -> dict[str, str]:
    """The environment in which a job has its share of `cores`; what the user has set stays.

    It imports from where this process does, which need not be the working folder, whatever lies there.
    """
    shares = {name: os.environ.get(name, str(max(cores // jobs, 1))) for name in THREADS}
    return {**shares, "PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def at_a_time(n_jobs: int, jobs: int) -> tuple[int, int]:
    """How many of `jobs` to run at a time, where `n_jobs` may be −1 for one for each core, and on how many cores."""
    from joblib import cpu_count

    cores: int = cpu_count()
    return min(cores if n_jobs == -1 else n_jobs, jobs), cores


@dataclass(frozen=True)
class Jobs:
    """What the jobs of a grid have in common, to be handed to other processes."""

    hydra_context: HydraContext
    task_function: TaskFunction
    config: DictConfig
    singletons: dict[Any, Any]

    def run(self, number: int, overrides: Sequence[str]) -> JobReturn:
        """Run the job of that number, with these overrides, in this process."""
        setup_globals()
        Singleton.set_state(self.singletons)
        config = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.id = f"{config.hydra.job.name}_{number}"
            config.hydra.job.num = number
        HydraConfig.instance().set_config(config)
        return run_job(self.task_function, config, "hydra.sweep.dir", "hydra.sweep.subdir", self.hydra_context)


Run = Callable[[int, Sequence[str]], JobReturn]
Task = TypeVar("Task")


class SideBySide(Launcher):
    """Jobs in processes of their own, `n_jobs` at a time, −1 for one for each core; they share the cores."""

    @checked("hydra.launcher")
    def __init__(self, n_jobs: Literal[-1] | Count = -1) -> None:
        self.n_jobs = n_jobs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._common = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a job for each of these overrides; one that is killed returns nothing, and leaves the others alone."""
        jobs = Jobs(*self._common, Singleton.get_state())
        count, environment = self.shared(len(job_overrides))
        numbers = range(initial_job_idx, initial_job_idx + len(job_overrides))
        with ThreadPoolExecutor(count) as threads, self.running(jobs, count, environment) as run:
            returned = [threads.submit(run, *job) for job in zip(numbers, job_overrides, strict=True)]
            try:
                for one in wait(returned, return_when=FIRST_EXCEPTION).done:
                    one.result()  # which raises what no other job would end otherwise
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise
            return [one.result() for one in returned]

    def shared(self, jobs: int) -> tuple[int, dict[str, str]]:
        """How many of `jobs` to run at a time, and the environment in which each has its share of the cores."""
        count, cores = at_a_time(self.n_jobs, jobs)
        return count, share_of(cores, count)

    @abstractmethod
    def running(self, jobs: Jobs, count: int, environment: dict[str, str]) -> AbstractContextManager[Run]:
        """What runs one of `jobs` in that environment, called by `count` threads; with the block its processes end."""


class OnCluster(SideBySide):
    """Jobs that a scheduler gives `cpus_per_task` cores each, `n_jobs` at a time, −1 for as many as it lets run."""

    cpus_per_task: int

    def shared(self, jobs: int) -> tuple[int, dict[str, str]]:
        return jobs if self.n_jobs == -1 else min(self.n_jobs, jobs), share_of(self.cpus_per_task, 1)


class Handed(Generic[Task]):
    """The tasks that a scheduler was given. Where the block is left by an error, or the user stops it, all end.

    `cancel` ends one of them.
    """

    def __init__(self, cancel: Callable[[Task], object]) -> None:
        self._cancel, self._tasks = cancel, list[Task]()
        self.stopped = Event()

    def add(self, task: Task) -> None:
        """One more task, which ends at once where the others did while it was handed over."""
        self._tasks.append(task)
        if self.stopped.is_set():
            self._cancel(task)

    def __enter__(self) -> Handed[Task]:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.stopped.set()
            for task in self._tasks:
                self._cancel(task)


def killed(overrides: Sequence[str]) -> JobReturn:
    """What is returned for a job that was killed: nothing, which the end of the grid tells of."""
    return JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
