"""`hydra/launcher=ray`: jobs as tasks of Ray, on this machine or on a cluster that runs."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from hydra.core.utils import JobReturn
from pydantic import Field

from fineprune.checks import Count, checked
from fineprune.errors import ConfigError, line
from fineprune.launchers.job import Handed, Jobs, OnCluster, Run, Task, at_a_time, killed, share_of

Address = Annotated[str, Field(pattern=r"^(local|auto|[^\s/:]+:\d+)$", description="local, auto or HOST:PORT")]
STORE = 100_000_000  # bytes of memory for what tasks hand over, which here is little
SECONDS = 10  # to reach a cluster


class Ray(OnCluster):
    """Processes of Ray, which go on with the next job. What they print is in the folder `.ray` of the grid."""

    @checked("hydra.launcher")
    def __init__(self, address: Address = "local", n_jobs: Literal[-1] | Count = -1, cpus_per_task: Count = 1) -> None:
        super().__init__(n_jobs)
        self.address, self.cpus_per_task = address, cpus_per_task

    def shared(self, jobs: int) -> tuple[int, dict[str, str]]:
        if self.address != "local":
            return super().shared(jobs)
        return jobs, share_of(self.cpus_per_task, 1)  # of all, Ray runs as many as it has cores for

    def cores(self, tasks: int) -> int:
        """How many of this machine are for a Ray of its own, with so many tasks."""
        _, cores = at_a_time(-1, 1)
        most = max(cores // self.cpus_per_task, 1) if self.n_jobs == -1 else self.n_jobs
        return self.cpus_per_task * min(most, tasks)

    @contextmanager
    def running(self, jobs: Jobs, count: int, environment: dict[str, str]) -> Iterator[Run]:
        with _connected(self.address, self.cores(count), environment):
            import ray
            from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError

            here = Here(
                Path.cwd(), Path(jobs.config.hydra.sweep.dir).absolute() / ".ray", dict(os.environ) | environment
            )
            here.logs.mkdir(exist_ok=True)
            remote = ray.remote(num_cpus=self.cpus_per_task, max_retries=0)(in_worker)
            common = ray.put((here, jobs))

            # Whoever still waited for a task without Ray would abort.
            with Handed[Future[JobReturn]](lambda returned: returned.cancel()) as handed:

                def run(task: Task) -> JobReturn:
                    if handed.stopped.is_set():
                        task.handle.cancel()
                        return killed(task)
                    # It begins when what `after` refers to is there.
                    reference = task.handed(lambda after: remote.remote(common, task.work, after))
                    handed.add(returned := reference.future())
                    try:
                        return returned.result()
                    except (CancelledError, NodeDiedError, OutOfMemoryError, WorkerCrashedError):
                        return killed(task)

                yield run


@dataclass(frozen=True)
class Here:
    """Where the command was entered: its folder, that of what jobs print, and its environment."""

    folder: Path
    logs: Path
    environment: dict[str, str]

    def move_in(self, task: str) -> None:
        """Make this process like one that was started there, for the task of that name."""
        os.chdir(self.folder)
        # A node's own are what Ray has told it, and the devices that it has.
        os.environ |= {
            name: value for name, value in self.environment.items() if not name.startswith(("RAY_", "CUDA_"))
        }
        with (self.logs / f"{task}.log").open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)


def in_worker(
    common: tuple[Here, Jobs], work: tuple[int, Sequence[str], Mapping[int, Sequence[str]]], _: JobReturn | None
) -> JobReturn:
    """Do that work in a process of Ray, which goes on with the next."""
    here, jobs = common
    number, overrides, waiting = work
    here.move_in(f"badnet_of_{number}" if waiting else str(number))
    return jobs.run(number, overrides, waiting)


@contextmanager
def _connected(address: str, cores: int, environment: dict[str, str]) -> Iterator[None]:
    """Ray within the block, with workers in that environment: of this machine with so many `cores`, or a cluster's."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would report to its makers
    if address == "local":  # it listens on the network: nobody else may hand it anything
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex()
    try:
        import ray
    except ImportError as reason:
        raise ConfigError("expected the package ray, got none: pip install 'fineprune[ray]'") from reason
    _check_reachable(address)
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        settings |= {"num_cpus": cores, "include_dashboard": False, "object_store_memory": STORE}
    stop = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address, runtime_env={"env_vars": environment}, **settings)
    except Exception as reason:  # where one does not start in time it is no other kind
        raise ConfigError(
            f"expected a Ray to run jobs on, got: {line(reason)}; start one, correct hydra.launcher.address, or set "
            "RAY_AUTH_MODE as its nodes have it"
        ) from reason
    signal.signal(signal.SIGTERM, stop)  # Ray sets its own
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise ConfigError unless something listens there: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        if host:
            socket.create_connection((host, int(port)), SECONDS).close()
    except OSError as reason:
        raise ConfigError(
            f"expected a Ray at {address}, got: {reason}; start one, or correct hydra.launcher.address"
        ) from reason
