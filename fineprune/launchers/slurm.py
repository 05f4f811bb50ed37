"""Jobs of Slurm as submitit has them, but watched by `squeue`: `sacct` needs a database that not every Slurm has."""

from __future__ import annotations

import subprocess
import time
from threading import RLock

import submitit
from submitit.slurm.slurm import SlurmInfoWatcher

QUEUE = ("squeue", "--me", "--states=all", "--noheader", "--format=%i %T")

GONE = "GONE"  # from the list, as jobs are minutes after their end
ENDED = {GONE, *"BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED TIMEOUT".split()}


class Queue(SlurmInfoWatcher):
    """The states of jobs, asked for all at once, by several threads."""

    def __init__(self, delay_s: int) -> None:
        super().__init__(delay_s)
        self._lock = RLock()

    def update_if_long_enough(self, mode: str) -> None:
        with self._lock:
            super().update_if_long_enough(mode)

    def update(self) -> None:
        self._num_calls += 1
        asked = self._registered - self._finished
        listed = subprocess.run(QUEUE, capture_output=True, text=True, check=False)  # noqa: S603 – the user's own PATH
        self._last_status_check = time.time()
        if listed.returncode:  # it may be starting again: ask later
            return
        states = dict(entry.split() for entry in listed.stdout.splitlines())
        self._info_dict.update({job: {"State": states.get(job, GONE)} for job in asked})
        self._finished.update(job for job in asked if self.is_done(job, "cache"))

    def is_done(self, job_id: str, mode: str = "standard") -> bool:
        return self.get_state(job_id, mode) in ENDED


class SlurmJob(submitit.SlurmJob[submitit.core.core.R]):
    """A job whose state is that of the queue."""

    watcher = Queue(delay_s=15)


class SlurmExecutor(submitit.SlurmExecutor):
    """What submits such jobs."""

    job_class = SlurmJob
