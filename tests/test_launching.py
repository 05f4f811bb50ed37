"""Jobs that are handed over: what is stopped is stopped for all of them, and at once."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from fineprune.errors import ConfigError
from fineprune.launchers.job import THREADS, Handed, Jobs, Need, Run, SideBySide, Task, killed
from fineprune.launchers.ray import Ray
from fineprune.launchers.submitit import SubmititSlurm, to_its_limit


def test_what_is_handed_over_while_the_others_end_ends_too() -> None:
    ended: list[str] = []
    handed = Handed[str](ended.append)
    handed.add("before")
    handed.__exit__(KeyboardInterrupt)
    handed.add("meanwhile")
    assert ended == ["before", "meanwhile"] and handed.stopped.is_set()


def test_what_ends_well_is_not_cancelled() -> None:
    ended: list[str] = []
    with Handed[str](ended.append) as handed:
        handed.add("job")
    assert ended == [] and not handed.stopped.is_set()


class Refusing(SideBySide):
    """Takes no second job; the others run until all are stopped."""

    @contextmanager
    def running(self, jobs: Jobs, count: int, environment: dict[str, str]) -> Iterator[Run]:
        with Handed[int](lambda _: None) as handed:

            def run(task: Task) -> JobReturn:
                if task.number == 1:
                    raise ConfigError("expected the job to be taken, got none: a test")
                assert handed.stopped.wait(60)
                return killed(task)

            yield run


def test_what_a_scheduler_refuses_ends_the_grid_at_once() -> None:
    launcher = Refusing(n_jobs=2)
    launcher.setup(hydra_context=None, task_function=None, config=None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="expected the job to be taken"):
        launcher.launch([[], [], []], 0)


def test_a_job_of_a_cluster_has_as_many_threads_as_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    for launcher in (SubmititSlurm(cpus_per_task=3), Ray("auto", cpus_per_task=3)):
        count, environment = launcher.shared(20)
        assert count == 20 and all(environment[name] == "3" for name in THREADS)
    assert SubmititSlurm(n_jobs=4).shared(20)[0] == 4
    assert Ray(cpus_per_task=1_000).cores(5) == 1_000
    assert Ray(n_jobs=64).cores(2) == 2


def test_slurm_s_word_that_a_job_s_time_is_nearly_up_breaks_no_sweep() -> None:
    class Sweep:
        def run(self, number: int, overrides: Sequence[str], jobs: Mapping[int, Sequence[str]]) -> JobReturn:
            os.kill(os.getpid(), signal.SIGUSR2)
            return killed(Task(number, overrides))

    def raise_an_error(*_: object) -> None:
        raise RuntimeError  # as submitit does

    before = signal.signal(signal.SIGUSR2, raise_an_error)
    try:
        assert to_its_limit(Sweep(), (0, ["seed=0"], {})).overrides == ["seed=0"]  # type: ignore[arg-type]
    finally:
        signal.signal(signal.SIGUSR2, before)


class Noting(SideBySide):
    """Notes what it runs; what jobs need cannot be made where they set `attack=bad`."""

    ran: ClassVar[list[str]] = []

    @contextmanager
    def running(self, jobs: Jobs, count: int, environment: dict[str, str]) -> Iterator[Run]:
        def run(task: Task) -> JobReturn:
            self.ran.append(f"{'for ' + str(sorted(task.jobs)) if task.jobs else task.number}")
            if not task.jobs or "attack=bad" in task.overrides:
                return killed(task)
            return JobReturn(task.overrides, status=JobStatus.COMPLETED, _return_value=True)

        yield run


def launched(monkeypatch: pytest.MonkeyPatch, *job_overrides: list[str]) -> list[str]:
    """What `Noting` runs of these jobs, one after the other, all of which need what `attack` names."""
    monkeypatch.setattr(SideBySide, "need", Need(("attack",), lambda _: True, lambda *_: True))
    monkeypatch.setattr(Jobs, "_settings", lambda *_: OmegaConf.create({"hydra": {}}))
    Noting.ran.clear()
    launcher = Noting(n_jobs=1)
    launcher.setup(hydra_context=None, task_function=None, config=None)  # type: ignore[arg-type]
    assert len(launcher.launch(job_overrides, 0)) == len(job_overrides)
    return Noting.ran


def test_what_several_jobs_need_is_made_once_before_them(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other, alone = ["attack=a", "seed=0"], ["attack=a", "seed=1"], ["attack=b"]
    assert launched(monkeypatch, one, alone, other) == ["for [0, 2]", "1", "0", "2"]


def test_jobs_whose_need_cannot_be_made_do_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launched(monkeypatch, ["attack=bad"], ["attack=bad"], ["attack=a"], ["attack.x=bad"]) == [
        "for [0, 1]",
        "2",
        "3",
    ]


def test_what_comes_after_is_handed_over_with_what_the_scheduler_waits_for() -> None:
    first = Task(0, [], {0: [], 1: []})
    assert first.handed(lambda after: (after, "id")) == (None, "id")
    assert Task(1, [], after=first).handed(lambda after: after) == (None, "id")


def test_a_job_of_slurm_has_its_order_beside_the_user_s_own() -> None:
    class After:
        job_id = "7"

    slurm = SubmititSlurm(additional={"dependency": "singleton"})
    assert slurm._order(After())["dependency"] == "singleton,afterok:7"  # type: ignore[arg-type]
