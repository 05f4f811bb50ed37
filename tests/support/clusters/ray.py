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

SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "300",  # tests run side by side
}
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
def _node(log: Path, *arguments: str, seconds: int = 300) -> Iterator[None]:
    """Run a node within the block."""
    with log.open("w") as file, subprocess.Popen([RAY, "start", *arguments, *NODE], stdout=file, stderr=file) as node:
        try:
            end = time.monotonic() + seconds
            while READY not in log.read_text():
                if node.poll() is not None or time.monotonic() > end:
                    raise TimeoutError(log.read_text())
                time.sleep(0.2)
            yield
        finally:
            node.terminate()
