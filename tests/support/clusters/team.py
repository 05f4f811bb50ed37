"""A team's MLflow server on this machine, as `deploy/tracking.py` starts it; it can be killed, and started again."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "deploy" / "tracking.py"
PASSWORD = "not-to-be-seen"  # noqa: S105
SECONDS = 240  # for a server to start, beside other tests


def missing() -> str:
    """What to install to have one; empty where it is there."""
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return "no PostgreSQL: apt-get install postgresql"
    return "" if find_spec("flask_wtf") else "no Flask-WTF: pip install 'fineprune[server]'"


class Server:
    """MLflow and PostgreSQL, with their data in `folder`, and `more` in the environment."""

    def __init__(self, folder: Path, more: Mapping[str, str]) -> None:
        self.folder, self.log = folder / "kept", folder / "server.log"
        self.port, self.database_port = free_port(), free_port()
        self._environment = {**os.environ, "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD, **more}

    @property
    def address(self) -> str:
        """With user and password."""
        return f"http://admin:{PASSWORD}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        ports = [f"--port={self.port}", f"--database-port={self.database_port}", "--workers=1"]
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, SCRIPT, self.folder, *ports],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(self.log.read_text())
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=60):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def kill(self) -> None:
        """Kill all of it at once, as a power cut would."""
        with suppress(ProcessLookupError):  # it was stopped
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def interrupt(self) -> int:
        """End it as Ctrl-C on its terminal would, and return its exit status."""
        os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(SECONDS)

    def stop(self) -> int:
        """Ask it to end, and return its exit status."""
        self._process.terminate()
        return self._process.wait(SECONDS)


@contextmanager
def running(more: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server within the block. Its folder is below /tmp, which the user that PostgreSQL runs as can enter, too."""
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        folder.chmod(0o711)
        server = Server(folder, more or {})
        try:
            server.start()
            yield server
        finally:
            server.kill()


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
