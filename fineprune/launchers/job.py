"""One job of a grid, in whichever process, and its share of the cores."""

from __future__ import annotations

import os
import re
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import dataclass, field
from threading import Event
from typing import Any, ClassVar, Generic, Literal, TypeVar

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write

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
class Need:
    """What several jobs of a grid may have to have first, as the BadNet that all of them prune.

    Those that set these groups of `settings` alike need the same one. `to_make` says of a job's settings whether it
    has to be made at all; `make` makes it for jobs, whose settings and overrides it is given by their numbers, and
    returns whether it could.
    """

    settings: Sequence[str]
    to_make: Callable[[DictConfig], bool]
    make: Callable[[Mapping[int, DictConfig], Mapping[int, Sequence[str]]], bool]

    def of(self, overrides: Sequence[str]) -> tuple[str, ...]:
        """Those of `overrides` that decide which one it is."""
        return tuple(text for text in overrides if re.split(r"[.=@]", text.lstrip("+~"))[0] in self.settings)


@dataclass(frozen=True, eq=False)
class Task:
    """A job of a grid, by its number; or, by that of the first of them, what several `jobs` need.

    It begins when `after` has ended well. `handle` is what the scheduler has for it, from when it is handed over.
    """

    number: int
    overrides: Sequence[str]
    jobs: Mapping[int, Sequence[str]] = field(default_factory=dict)
    after: Task | None = None
    handle: Future[Any] = field(default_factory=Future)

    @property
    def work(self) -> tuple[int, Sequence[str], Mapping[int, Sequence[str]]]:
        """What is handed to `Jobs.run`."""
        return self.number, self.overrides, self.jobs

    def handed(self, hand: Callable[[Any], Handle]) -> Handle:
        """The handle that `hand` returns, called with that of what comes before, or None."""
        try:
            self.handle.set_result(hand(self.after.handle.result() if self.after else None))
        except BaseException as reason:
            self.handle.set_exception(reason)
        handle: Handle = self.handle.result()
        return handle


@dataclass(frozen=True)
class Jobs:
    """What the jobs of a grid have in common, to be handed to other processes."""

    hydra_context: HydraContext
    task_function: TaskFunction
    config: DictConfig
    need: Need | None
    singletons: dict[Any, Any]

    def run(self, number: int, overrides: Sequence[str], jobs: Mapping[int, Sequence[str]]) -> JobReturn:
        """Run the job of that number, with these overrides, in this process, or make what `jobs` need.

        Where that cannot be made, the process ends, which every scheduler takes for the failure that it is.
        """
        setup_globals()
        Singleton.set_state(self.singletons)
        config = self._settings(overrides)
        with open_dict(config):
            config.hydra.job.id = f"{config.hydra.job.name}_{number}"
            config.hydra.job.num = number
        HydraConfig.instance().set_config(config)
        if not jobs or not self.need:
            return run_job(self.task_function, config, "hydra.sweep.dir", "hydra.sweep.subdir", self.hydra_context)
        settings = {number: _without_hydra(self._settings(overrides)) for number, overrides in jobs.items()}
        if not self.need.make(settings, jobs):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)
        return JobReturn(overrides=overrides, status=JobStatus.COMPLETED, _return_value=True)

    def tasks(self, jobs: Mapping[int, Sequence[str]]) -> tuple[list[Task], list[Task]]:
        """What several of `jobs` need, and the jobs."""
        first = {number: task for task in self._first(jobs) for number in task.jobs}
        own = [Task(number, overrides, after=first.get(number)) for number, overrides in jobs.items()]
        return list(dict.fromkeys(first.values())), own

    def _first(self, jobs: Mapping[int, Sequence[str]]) -> Iterator[Task]:
        alike: dict[tuple[str, ...], dict[int, Sequence[str]]] = {}
        for number, overrides in jobs.items():
            alike.setdefault(self.need.of(overrides) if self.need else (), {})[number] = overrides
        for those in alike.values():
            number, overrides = next(iter(those.items()))
            if len(those) > 1 and self.need and self.need.to_make(_without_hydra(self._settings(overrides))):
                yield Task(number, overrides, those)

    def _settings(self, overrides: Sequence[str]) -> DictConfig:
        return self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))


def _without_hydra(config: DictConfig) -> DictConfig:
    """A copy of the settings of a job, as `run_job` makes it."""
    settings = copy(config)
    with read_write(settings), open_dict(settings):
        del settings["hydra"]
    return settings


Run = Callable[[Task], JobReturn]
Handle = TypeVar("Handle")


class SideBySide(Launcher):
    """Jobs in processes of their own, `n_jobs` at a time, −1 for one for each core; they share the cores.

    `need` is what jobs of the runner may have to have first.
    """

    need: ClassVar[Need | None] = None

    @checked("hydra.launcher")
    def __init__(self, n_jobs: Literal[-1] | Count = -1) -> None:
        self.n_jobs = n_jobs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._common = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a job for each of these overrides; one that is killed returns nothing, and leaves the others alone.

        What several of them need is made before; where it cannot be, they do not begin.
        """
        jobs = Jobs(*self._common, self.need, Singleton.get_state())
        first, own = jobs.tasks(dict(enumerate(job_overrides, initial_job_idx)))
        waves = self.waves(first, own)
        count, environment = self.shared(max(map(len, waves)))
        returned: dict[Task, Future[JobReturn]] = {}
        with ThreadPoolExecutor(count) as threads, self.running(jobs, count, environment) as run:
            for wave in waves:
                _hand_over(threads, run, wave, returned)
        return [returned[task].result() for task in own]

    def waves(self, first: list[Task], jobs: list[Task]) -> Sequence[list[Task]]:
        """The tasks to hand over at once, and those after all of these have ended."""
        return [*first, *(task for task in jobs if not task.after)], [task for task in jobs if task.after]

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

    def waves(self, first: list[Task], jobs: list[Task]) -> Sequence[list[Task]]:
        """All at once: the scheduler lets a job wait for what it needs."""
        return ([*first, *jobs],)

    def shared(self, jobs: int) -> tuple[int, dict[str, str]]:
        return jobs if self.n_jobs == -1 else min(self.n_jobs, jobs), share_of(self.cpus_per_task, 1)


class Handed(Generic[Handle]):
    """The tasks that a scheduler was given. Where the block is left by an error, or the user stops it, all end.

    `cancel` ends one of them.
    """

    def __init__(self, cancel: Callable[[Handle], object]) -> None:
        self._cancel, self._tasks = cancel, list[Handle]()
        self.stopped = Event()

    def add(self, task: Handle) -> None:
        """One more task, which ends at once where the others did while it was handed over."""
        self._tasks.append(task)
        if self.stopped.is_set():
            self._cancel(task)

    def __enter__(self) -> Handed[Handle]:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.stopped.set()
            for task in self._tasks:
                self._cancel(task)


def killed(task: Task) -> JobReturn:
    """What is returned for a task that was killed: nothing, which the end of the grid tells of."""
    return JobReturn(overrides=task.overrides, status=JobStatus.COMPLETED)


def lost(returned: JobReturn) -> bool:
    """Whether a task that makes what jobs need was killed, or could not."""
    return returned.return_value is None


def _hand_over(
    threads: ThreadPoolExecutor, run: Run, tasks: Sequence[Task], returned: dict[Task, Future[JobReturn]]
) -> None:
    """Run `tasks`, and add what each will have `returned`; where one is not taken, no other would end: raise why.

    One whose need is known to be lost does not begin.
    """

    def begin(task: Task) -> JobReturn:
        before = returned.get(task.after) if task.after else None
        return killed(task) if before and before.done() and lost(before.result()) else run(task)

    for task in tasks:
        returned[task] = threads.submit(begin, task)
    try:
        for one in wait([returned[task] for task in tasks], return_when=FIRST_EXCEPTION).done:
            one.result()
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)
        raise
