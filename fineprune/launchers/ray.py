"""`hydra/launcher=ray`: jobs as tasks of Ray, on this machine or on a cluster that runs."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from hydra.core.utils import JobReturn
from pydantic import Field

from fineprune.checks import Count, checked
from fineprune.errors import ConfigError, line
from fineprune.launchers.job import Handed, Jobs, OnCluster, Run, at_a_time, killed, share_of

Address = Annotated[str, Field(pattern=r"^(local|auto|[^\s/:]+:\d+)$", description="local, auto or HOST:PORT")]
STORE = 100_000_000  # bytes of memory for what tasks hand over, which here is little
SECONDS = 10  # to reach a cluster


class Ray(OnCluster):
    """A process for each job. What it prints is in the folder `.ray` of the grid."""

    @checked("hydra.launcher")
    def __init__(self, address: Address = "local", n_jobs: Literal[-1] | Count = -1, cpus_per_task: Count = 1) -> None:
        super().__init__(n_jobs)
        self.address, self.cpus_per_task = address, cpus_per_task

    def shared(self, jobs: int) -> tuple[int, dict[str, str]]:
        if self.address != "local" or self.n_jobs != -1:
            return super().shared(jobs)
        _, cores = at_a_time(-1, jobs)
        return min(max(cores // self.cpus_per_task, 1), jobs), share_of(self.cpus_per_task, 1)

    @contextmanager
    def running(self, jobs: Jobs, count: int, environment: dict[str, str]) -> Iterator[Run]:
        with _connected(self.address, count * self.cpus_per_task, environment):
            import ray
            from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError

            here = Here(
                Path.cwd(), Path(jobs.config.hydra.sweep.dir).absolute() / ".ray", dict(os.environ) | environment
            )
            here.logs.mkdir(exist_ok=True)
            task = ray.remote(num_cpus=self.cpus_per_task, max_calls=1, max_retries=0)(in_worker)
            common = ray.put((here, jobs))

            # Whoever still waited for a task without Ray would abort.
            with Handed[Future[JobReturn]](lambda returned: returned.cancel()) as handed:

                def run(number: int, overrides: Sequence[str]) -> JobReturn:
                    if handed.stopped.is_set():
                        return killed(overrides)
                    handed.add(returned := task.remote(common, number, overrides).future())
                    try:
                        return returned.result()
                    except (CancelledError, NodeDiedError, OutOfMemoryError, WorkerCrashedError):
                        return killed(overrides)

                yield run


@dataclass(frozen=True)
class Here:
    """Where the command was entered: its folder, that of what jobs print, and its environment."""

    folder: Path
    logs: Path
    environment: dict[str, str]

    def move_in(self, number: int) -> None:
        """Make this process, which is the job's own, like one that was started there."""
        os.chdir(self.folder)
        # A node's own are what Ray has told it, and the devices that it has.
        os.environ |= {
            name: value for name, value in self.environment.items() if not name.startswith(("RAY_", "CUDA_"))
        }
        with (self.logs / f"{number}.log").open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)


def in_worker(common: tuple[Here, Jobs], number: int, overrides: Sequence[str]) -> JobReturn:
    """Run the job of that number in a process of Ray."""
    here, jobs = common
    here.move_in(number)
    return jobs.run(number, overrides)


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
