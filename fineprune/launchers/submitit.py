"""`hydra/launcher=submitit_local`, `submitit_slurm`: jobs by submitit, on this machine or as jobs of Slurm."""

from __future__ import annotations

import math
import shlex
import signal
import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Literal

from hydra.core.utils import JobReturn

from fineprune.checks import Count, Positive, checked
from fineprune.errors import ConfigError, line
from fineprune.launchers.job import Handed, Jobs, OnCluster, Run, SideBySide, Task, killed

if TYPE_CHECKING:
    from submitit import Executor, Job

WEEK = 7 * 24 * 60  # minutes


class Submitit(SideBySide):
    """A process for each job. What it prints is in the folder `.submitit` of the grid."""

    @contextmanager
    def running(self, jobs: Jobs, count: int, environment: dict[str, str]) -> Iterator[Run]:
        variables = [f"{name}={value}" for name, value in environment.items()]
        python = shlex.join(["env", *variables, sys.executable])
        folder = Path(jobs.config.hydra.sweep.dir).absolute() / ".submitit"
        try:
            self.executor(folder, python)
        except ImportError as reason:
            raise ConfigError("expected the package submitit, got none: pip install 'fineprune[submitit]'") from reason
        with Handed["Job[JobReturn]"](lambda job: job.cancel(check=False)) as handed:

            def submit(task: Task, after: Job[JobReturn] | None) -> Job[JobReturn]:
                job = self.submitted(self.executor(folder, python, after), jobs, task)
                handed.add(job)
                return job

            def run(task: Task) -> JobReturn:
                if handed.stopped.is_set():
                    task.handle.cancel()
                    return killed(task)
                return _returned(task.handed(partial(submit, task)), task, handed.stopped)

            yield run

    def submitted(self, executor: Executor, jobs: Jobs, task: Task) -> Job[JobReturn]:
        """The task, handed over."""
        return executor.submit(jobs.run, *task.work)

    @abstractmethod
    def executor(self, folder: Path, python: str, after: Job[JobReturn] | None = None) -> Executor:
        """What runs jobs by the command `python`, with its files in `folder`, once `after` has ended well.

        Raises ImportError without submitit.
        """


class SubmititLocal(Submitit):
    """Processes on this machine."""

    def executor(self, folder: Path, python: str, after: Job[JobReturn] | None = None) -> Executor:
        from submitit import LocalExecutor

        executor = LocalExecutor(folder, python=python)
        executor.update_parameters(timeout_min=WEEK)
        return executor


class SubmititSlurm(OnCluster, Submitit):
    """Jobs of Slurm. `timeout_min` are minutes, `mem_gb` GiB; `additional` are further options of sbatch, by name."""

    @checked("hydra.launcher")
    def __init__(
        self,
        n_jobs: Literal[-1] | Count = -1,
        partition: str | None = None,
        cpus_per_task: Count = 1,
        mem_gb: Positive = 4,
        timeout_min: Count = 720,
        additional: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(n_jobs)
        self.cpus_per_task = cpus_per_task
        self._asked = {
            "job_name": "fineprune",
            "partition": partition,
            "cpus_per_task": cpus_per_task,
            "mem": f"{math.ceil(mem_gb * 1024)}M",
            "time": timeout_min,
        }
        # Without, Slurm would run again what a node took with it, and not what somebody cancelled.
        self._additional = {"no_requeue": True, **(additional or {})}

    def executor(self, folder: Path, python: str, after: Job[JobReturn] | None = None) -> Executor:
        from fineprune.launchers.slurm import SlurmExecutor

        try:
            executor = SlurmExecutor(folder, python=python)
        except RuntimeError as reason:
            raise ConfigError(
                "expected the commands of Slurm, got no srun: run it where sbatch works, or choose another launcher"
            ) from reason
        executor.update_parameters(**self._asked, additional_parameters=self._additional | self._order(after))
        return executor

    def _order(self, after: Job[JobReturn] | None) -> dict[str, str]:
        """The options of a job that begins when `after` has ended well, and is cancelled where that does not."""
        if after is None:
            return {}
        own = self._additional.get("dependency")
        return {"dependency": f"{own + ',' if own else ''}afterok:{after.job_id}", "kill_on_invalid_dep": "yes"}

    def submitted(self, executor: Executor, jobs: Jobs, task: Task) -> Job[JobReturn]:
        from submitit.core.utils import FailedJobError

        try:
            return executor.submit(to_its_limit, jobs, task.work)
        except FailedJobError as reason:
            raise ConfigError(f"expected Slurm to take the job, got: {line(reason)}; mend hydra.launcher") from reason


def to_its_limit(jobs: Jobs, work: tuple[int, Sequence[str], Mapping[int, Sequence[str]]]) -> JobReturn:
    """Do that work until it ends, or is killed.

    Slurm announces by a signal that it will be, at which submitit would raise an error within the sweep.
    """
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    return jobs.run(*work)


def _returned(job: Job[JobReturn], task: Task, stopped: Event) -> JobReturn:
    """What the task returns; of one that was killed, or that nobody waits for any more, nothing."""
    from submitit.core.utils import FailedJobError, UncompletedJobError

    while not job.done():
        if stopped.wait(1):
            return killed(task)
    try:
        return job.result()
    except FailedJobError:
        raise
    except UncompletedJobError:
        return killed(task)
