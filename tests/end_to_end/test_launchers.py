"""Jobs in processes of their own: where one is killed, the others go on, and the same command runs it again."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import ray, slurm
from commands import RUNNERS, Ended, run
from joblib import cpu_count
from nets import tiny
from omegaconf import OmegaConf
from samples import pictures, write_h5
from victims import DATA

from fineprune.errors import ConfigError
from fineprune.files import save_model
from fineprune.launchers.job import Jobs
from fineprune.launchers.ray import Ray
from fineprune.launchers.submitit import SubmititSlurm

OWN = ["badnet=h5", "badnet.model=net.h5", "data=h5", "data.clean_valid=valid.h5", "grid=mine"]
KINDS = "strategy._target_=strategies.controls.none.NoPruning,strategies.deadly.Deadly"
SLURM = ["hydra/launcher=submitit_slurm", "hydra.launcher.mem_gb=2"]
# The first of its kind in a folder is killed, as by a system that has no memory left.
DEADLY = """
import os
import subprocess
import time

from fineprune.strategies.controls.none import NoPruning


class Deadly(NoPruning):
    def steps(self, network, clean, **oracle):
        try:
            os.close(os.open("threads", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            yield from super().steps(network, clean, **oracle)
        else:
            with open("threads", "w") as file:
                file.write(os.environ.get("TF_NUM_INTRAOP_THREADS", ""))
            subprocess.run(os.environ.get("DEATH", "kill -KILL $PPID"), shell=True, check=True)
            time.sleep(60)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The project, with a strategy that kills its process."""
    for part in ("conf", "fineprune", "runners", "strategies"):
        shutil.copytree(RUNNERS / part, tmp_path / "tree" / part, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tree" / "strategies" / "deadly.py").write_text(DEADLY)
    return tmp_path / "tree"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A network, and images that fit it."""
    save_model(tiny(), tmp_path / "net.h5")
    write_h5(tmp_path / "valid.h5", pictures(40), np.arange(40) % 5)
    return tmp_path


@pytest.fixture
def nodes_of_slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Slurm of two nodes with a core each."""
    if reason := slurm.missing():
        pytest.skip(reason)
    with slurm.running() as environment:
        for name in ("SLURM_CONF", "PATH"):
            monkeypatch.setenv(name, environment[name])
        yield


@pytest.fixture
def nodes_of_ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a Ray of two nodes with a core each."""
    for name, value in ray.SETTINGS.items():
        monkeypatch.setenv(name, value)
    with ray.running() as address:
        yield address


@pytest.fixture
def common(tmp_path: Path) -> Jobs:
    """Jobs that are never run."""
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}})
    return Jobs(None, None, config, None, {})  # type: ignore[arg-type]


def last(ended: Ended) -> str:
    """The summary of a grid."""
    (line,) = (line for line in ended.out.splitlines() if line.startswith("grid mine: "))
    return line.removeprefix("grid mine: ")


@pytest.mark.parametrize(("launcher", "seeds"), [("joblib", 2), ("submitit_local", 1), ("ray", 1)])
def test_one_that_is_killed_takes_no_other_with_it(
    launcher: str, seeds: int, tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS")  # which the tests have set, and which would stay
    launched = [f"hydra/launcher={launcher}", "hydra.launcher.n_jobs=2"]
    command = ["-m", "strategy=none", KINDS, f"seed=range({seeds})", *OWN, *launched]
    killed = run(folder, "sweep", *command, tree=tree)
    assert (killed.status, last(killed)) == (1, f"{2 * seeds - 1} finished, 1 failed"), killed.err
    (line,) = (line for line in killed.err.splitlines() if line.startswith("failed: job "))
    assert "strategies.deadly.Deadly" in line and "expected its process to end by itself, got it killed" in line
    share = 1 if launcher == "ray" else max(cpu_count() // 2, 1)
    assert (folder / "threads").read_text() == str(share)
    again = run(folder, "sweep", *command, tree=tree)
    assert (again.status, last(again)) == (0, f"{2 * seeds} finished ({2 * seeds - 1} of them before), 0 failed"), (
        again.err
    )


@pytest.mark.servers
def test_slurm_runs_each_job_as_one_of_its_own(
    nodes_of_slurm: None, tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEATH", "scancel $SLURM_JOB_ID")
    command = ["-m", "strategy=none", KINDS, "seed=range(4)", *OWN]
    killed = run(folder, "sweep", *command, *SLURM, tree=tree)
    assert (killed.status, last(killed)) == (1, "7 finished, 1 failed"), killed.err
    assert (folder / "threads").read_text() == "1"
    again = run(folder, "sweep", *command, tree=tree)  # here, which goes on with a grid of any launcher
    assert (again.status, last(again)) == (0, "8 finished (7 of them before), 0 failed"), again.err


@pytest.mark.servers
def test_slurm_trains_a_badnet_before_the_sweeps_that_need_it(nodes_of_slurm: None, tmp_path: Path) -> None:
    check_badnets_first(tmp_path, *SLURM)


@pytest.mark.parametrize("launcher", ["joblib", "ray"])
def test_a_badnet_is_trained_before_the_sweeps_that_need_it(launcher: str, tmp_path: Path) -> None:
    check_badnets_first(tmp_path, f"hydra/launcher={launcher}", "hydra.launcher.n_jobs=2")


def test_nothing_is_trained_for_sweeps_that_could_not_begin(tmp_path: Path) -> None:
    command = ["-m", *DATA, "strategy=none,random_channels", "budgets=[2]", "grid=mine", "hydra/launcher=joblib"]
    ended = run(tmp_path, "sweep", *command)
    assert (ended.status, last(ended)) == (2, "0 finished, 2 failed"), ended.err
    assert "expected budgets" in ended.err and not list(tmp_path.rglob("*.h5"))


def check_badnets_first(tmp_path: Path, *launcher: str) -> None:
    """Two sweeps of a BadNet that can be trained, and two of one that cannot."""
    command = ["-m", *DATA, "strategy=none,random_channels", "attack.target=0,9", "grid=mine", *launcher]
    ended = run(tmp_path, "sweep", *command)
    assert (ended.status, last(ended)) == (2, "2 finished, 2 failed"), ended.err
    reasons = [line for line in ended.err.splitlines() if line.startswith("failed: job ")]
    assert len(reasons) == 2 and all("attack.target=9" in line for line in reasons)
    assert all("its BadNet was not trained: expected attack.target to be" in line for line in reasons), reasons
    assert len(list((tmp_path / "models").glob("*.h5"))) == 1


@pytest.mark.servers
def test_what_slurm_refuses_is_refused_in_its_words(nodes_of_slurm: None, folder: Path) -> None:
    refused = run(folder, "sweep", "-m", "seed=0", *OWN, *SLURM, "hydra.launcher.partition=elsewhere")
    assert refused.status == 2
    *_, said = refused.err.splitlines()  # after sbatch itself
    assert said.startswith(
        "error: expected Slurm to take the job, got: sbatch: error: invalid partition specified: else"
    )
    assert not list((folder / "outputs").rglob("grid.json"))


@pytest.mark.servers
def test_a_grid_that_is_stopped_cancels_its_jobs_of_slurm(nodes_of_slurm: None, folder: Path) -> None:
    command = [sys.executable, "-m", "runners.sweep", "-m", "seed=range(3)", *OWN, *SLURM]
    with subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(RUNNERS)}) as started:
        while slurm.states().count("RUNNING") < 2 and started.poll() is None:
            time.sleep(0.2)
        started.terminate()
    assert started.returncode == 143
    assert len(slurm.states()) == 3 and set(slurm.states()) <= {"CANCELLED", "COMPLETING"}


@pytest.mark.servers
def test_a_node_that_goes_down_takes_its_job_with_it_alone(
    nodes_of_slurm: None, tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEATH", "scontrol update NodeName=$SLURMD_NODENAME State=down Reason=test")
    killed = run(folder, "sweep", "-m", "strategy=none", KINDS, "seed=0", *OWN, *SLURM, tree=tree)
    assert (killed.status, last(killed)) == (1, "1 finished, 1 failed"), killed.err


@pytest.mark.servers
def test_a_cluster_of_ray_runs_each_job_in_a_process_of_its_own(
    nodes_of_ray: str, tree: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEATH", "touch died; kill -KILL $PPID")  # which the nodes do not have
    launched = ["hydra/launcher=ray", f"hydra.launcher.address={nodes_of_ray}"]
    command = ["-m", "strategy=none", KINDS, "seed=range(4)", *OWN, *launched]
    killed = run(folder, "sweep", *command, tree=tree)
    assert (killed.status, last(killed)) == (1, "7 finished, 1 failed"), killed.err
    assert (folder / "threads").read_text() == "1" and (folder / "died").exists()
    again = run(folder, "sweep", *command, tree=tree)
    assert (again.status, last(again)) == (0, "8 finished (7 of them before), 0 failed"), again.err


def test_a_grid_of_ray_that_is_stopped_ends_at_once(folder: Path) -> None:
    command = [sys.executable, "-m", "runners.sweep", "-m", "seed=range(3)", *OWN, "hydra/launcher=ray"]
    settings = {
        "cwd": folder,
        "env": os.environ | {"PYTHONPATH": str(RUNNERS)},
        "stderr": subprocess.PIPE,
        "text": True,
    }
    with subprocess.Popen(command, **settings) as started:
        while not list(folder.rglob(".ray/*.log")) and started.poll() is None:
            time.sleep(0.2)
        started.terminate()
        _, said = started.communicate()
    assert (started.returncode, said) == (143, "stopped\n")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"address": "ray://head:10001"},
            "expected hydra.launcher.address to be local, auto or HOST:PORT, got 'ray://",
        ),
        (
            {"address": "127.0.0.1:9"},
            "expected a Ray at 127.0.0.1:9, got: .*refused; start one, or correct hydra.launch",
        ),
        ({"n_jobs": 0}, "expected hydra.launcher.n_jobs to be -1 or a whole number ≥ 1, got 0"),
    ],
)
def test_a_ray_that_is_not_there_is_missed_at_once(settings: dict[str, Any], message: str, common: Jobs) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"), Ray(**settings).running(common, 1, {}):
        pass


def test_without_slurm_there_are_no_jobs_of_slurm(common: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    missing = pytest.raises(ConfigError, match="^expected the commands of Slurm, got no srun: ")
    with missing, SubmititSlurm().running(common, 1, {}):
        pass
