"""Jobs that are handed over: what is stopped is stopped for all of them, and at once."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from hydra.core.utils import JobReturn

from fineprune.errors import ConfigError
from fineprune.launchers.job import THREADS, Handed, Jobs, Run, SideBySide, killed
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

            def run(number: int, overrides: Sequence[str]) -> JobReturn:
                if number == 1:
                    raise ConfigError("expected the job to be taken, got none: a test")
                assert handed.stopped.wait(60)
                return killed(overrides)

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
    assert Ray(cpus_per_task=1_000).shared(20)[0] == 1


def test_slurm_s_word_that_a_job_s_time_is_nearly_up_breaks_no_sweep() -> None:
    class Sweep:
        def run(self, number: int, overrides: Sequence[str]) -> JobReturn:
            os.kill(os.getpid(), signal.SIGUSR2)
            return killed(overrides)

    def raise_an_error(*_: object) -> None:
        raise RuntimeError  # as submitit does

    before = signal.signal(signal.SIGUSR2, raise_an_error)
    try:
        assert to_its_limit(Sweep(), 0, ["seed=0"]).overrides == ["seed=0"]  # type: ignore[arg-type]
    finally:
        signal.signal(signal.SIGUSR2, before)
