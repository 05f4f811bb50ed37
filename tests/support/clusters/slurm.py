"""A small Slurm on this machine, by the daemons of a real one: munged, slurmctld, and a slurmd for each node."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue")
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
CONF = """
ClusterName=small
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,sched_min_interval=0
SlurmdParameters=config_overrides
KillWait=1
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 RealMemory=4096
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=4096
PartitionName=small Nodes=ALL Default=YES State=UP
"""


def missing() -> str:
    """What to install to have one; empty where it is there."""
    absent = [name for name in DAEMONS if shutil.which(name, path=PATH) is None]
    return f"no {', '.join(absent)}: apt-get install slurmctld slurmd slurm-client munge" if absent else ""


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """A Slurm of two nodes with a core each, within the block, and the environment in which its commands find it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm", ignore_cleanup_errors=True)))
        (folder / "state").mkdir()
        (folder / "munge.key").write_bytes(os.urandom(128))
        (folder / "munge.key").chmod(0o600)
        conf = folder / "slurm.conf"
        conf.write_text(CONF.format(folder=folder, host=socket.gethostname(), user=getpass.getuser(), ports=_ports(3)))
        environment = os.environ | {"SLURM_CONF": str(conf), "PATH": PATH}
        files = ("key", "seed", "pid", "log")
        munge = [f"--{name}-file={folder}/munge.{name}" for name in files]
        # Its folder is nobody else's, which munged would rather not have.
        commands = [["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *munge]]
        commands += [["slurmctld", "-D"], ["slurmd", "-D", "-N", "one"], ["slurmd", "-D", "-N", "two"]]
        for command in commands:
            stack.enter_context(_daemon(command, folder, environment))
        _wait_for_nodes(environment, folder)
        yield environment


def states() -> list[str]:
    """The states of all jobs of the Slurm that this environment leads to."""
    command = ["squeue", "--states=all", "--noheader", "--format=%T"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@contextmanager
def _daemon(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run it within the block."""
    with (folder / "daemons.log").open("a") as log, subprocess.Popen(command, env=environment, stderr=log) as process:
        if command[0] == "munged":
            _wait(lambda: (folder / "munge.socket").exists(), folder)
        try:
            yield
        finally:
            process.terminate()


def _wait_for_nodes(environment: dict[str, str], folder: Path) -> None:
    def idle() -> bool:
        command = ["sinfo", "--noheader", "--Node", "--format=%T"]
        return subprocess.run(command, env=environment, capture_output=True, text=True).stdout.split() == ["idle"] * 2

    _wait(idle, folder)


def _wait(condition: Callable[[], bool], folder: Path, seconds: int = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("\n".join(path.read_text() for path in sorted(folder.glob("*.log"))))
        time.sleep(0.1)


def _ports(count: int) -> list[int]:
    """Ports that are free now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


if __name__ == "__main__":  # python -m clusters.slurm COMMAND runs it in one
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with running() as found:
        sys.exit(subprocess.run(sys.argv[1:], env=found).returncode)
