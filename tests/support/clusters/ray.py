"""A small cluster of Ray on this machine, by the command that makes a real one."""

import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SETTINGS = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(), "RAY_USAGE_STATS_ENABLED": "0"}
RAY = str(Path(sys.executable).with_name("ray"))
NODE = ["--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats", "--block"]
READY = "will now block forever"


@contextmanager
def running() -> Iterator[str]:
    """The address of a Ray of two nodes with a core each, within the block; SETTINGS have to be in the environment."""
    with socket.create_server(("127.0.0.2", 0)) as free:
        address = f"127.0.0.2:{free.getsockname()[1]}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True)))
        head = ["--head", f"--port={address.split(':')[1]}", "--include-dashboard=false", f"--temp-dir={folder}"]
        stack.enter_context(_node(folder / "one.log", "--node-ip-address=127.0.0.2", *head))
        stack.enter_context(_node(folder / "two.log", "--node-ip-address=127.0.0.3", f"--address={address}"))
        yield address


@contextmanager
def _node(log: Path, *arguments: str) -> Iterator[None]:
    """Run a node within the block."""
    node = _started(log, [RAY, "start", *arguments, *NODE])
    try:
        yield
    finally:
        node.terminate()
        node.wait()


def _started(log: Path, command: list[str], attempts: int = 3) -> "subprocess.Popen[bytes]":
    """The process, once it is ready; it gives up after half a minute, which is short where other tests run, too."""
    for _ in range(attempts):
        with log.open("w") as file:
            node = subprocess.Popen(command, stdout=file, stderr=file)
        while node.poll() is None:
            if READY in log.read_text():
                return node
            time.sleep(0.2)
    raise RuntimeError(log.read_text())
