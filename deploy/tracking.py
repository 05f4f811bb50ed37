"""An MLflow server for a team, on this machine: users and passwords, its runs in PostgreSQL. Ctrl-C stops both.

MLFLOW_AUTH_ADMIN_PASSWORD=… .venv/bin/python deploy/tracking.py FOLDER

It listens on loopback, until `--host` and MLFLOW_SERVER_ALLOWED_HOSTS say otherwise. Its artifacts go into FOLDER, or
to where MLFLOW_ARTIFACTS_DESTINATION says. docs/scale/team.md says more.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from fineprune.errors import FinepruneError, line
from fineprune.files import write_text

PASSWORD = "MLFLOW_AUTH_ADMIN_PASSWORD"  # noqa: S105
USERS = Path(__file__).with_name("users.ini")
SECONDS = 60  # for PostgreSQL to start, after a crash too


def main() -> None:
    """Start both, and wait for MLflow to end."""
    asked = _asked()
    folder = Path(asked.folder).absolute()
    if not os.environ.get(PASSWORD) and not (folder / "users.db").exists():
        _leave(f"expected {PASSWORD} in the environment, got none: set it to at least 12 characters")
    os.umask(0o066)  # for nobody else to read
    for asks_to_end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asks_to_end, lambda number, _: sys.exit(128 + number))
    with _postgresql(folder, asked.database_port) as environment:
        address = [f"--host={asked.host}", f"--port={asked.port}", f"--workers={asked.workers}"]
        command = [sys.executable, "-m", "mlflow", "server", "--app-name=basic-auth", *address]
        with _running(command, os.environ | _settings(folder) | environment, folder) as server:
            print(f"MLflow: http://{asked.host}:{asked.port}, user admin", flush=True)
            sys.exit(server.wait())


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="where all of it is kept; made if it is missing")
    parser.add_argument("--host", default="127.0.0.1", help="the address of this machine to listen at (%(default)s)")
    parser.add_argument("--port", type=int, default=5000, help="MLflow's (%(default)s)")
    parser.add_argument("--database-port", type=int, default=5433, help="PostgreSQL's, on loopback (%(default)s)")
    parser.add_argument("--workers", type=int, default=4, help="processes that answer (%(default)s)")
    return parser.parse_args()


def _settings(folder: Path) -> dict[str, str]:
    """MLflow's own, in the environment, since other users see what a command is given."""
    return {
        "MLFLOW_ARTIFACTS_DESTINATION": os.environ.get("MLFLOW_ARTIFACTS_DESTINATION", str(folder / "artifacts")),
        "MLFLOW_AUTH_CONFIG_PATH": str(USERS.resolve()),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": _secret(folder / "key"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _secret(file: Path) -> str:
    """What `file` holds, or, where there is none, what is drawn and put there, whole or not at all.

    Makes its folder if that is missing. Raises FinepruneError where it cannot write.
    """
    if not file.exists():
        write_text(file, secrets.token_urlsafe())
    return file.read_text()


@contextmanager
def _postgresql(folder: Path, port: int) -> Iterator[dict[str, str]]:
    """PostgreSQL within the block, with its data in `folder`, and the environment that leads MLflow to it."""
    programs, user = _programs(), "postgres" if os.getuid() == 0 else None  # it refuses root
    password, data = _secret(folder / "password"), folder / "postgresql"
    if not data.exists():
        _initialise(programs / "initdb", data, folder / "password", user)
    _check_free(port)
    listen = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-p", str(port)]
    with _running([str(programs / "postgres"), "-D", str(data), *listen], os.environ, Path("/"), user) as server:
        _wait(server, port)
        yield {
            "MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg://mlflow@127.0.0.1:{port}/postgres",
            "PGPASSWORD": password,
        }


def _initialise(initdb: Path, data: Path, password: Path, user: str | None) -> None:
    """Make an empty database, which takes the name `data` once it is whole."""
    aside = data.with_name(f".{data.name}")
    shutil.rmtree(aside, ignore_errors=True)  # left by one that was killed
    aside.mkdir(0o700)
    if user:
        shutil.chown(aside, user)
        shutil.chown(password, user)
    users = ["--username=mlflow", "--auth=scram-sha-256", f"--pwfile={password}"]
    command = [str(initdb), f"--pgdata={aside}", "--encoding=UTF8", *users]
    ended = subprocess.run(command, capture_output=True, text=True, cwd="/", user=user)  # noqa: S603
    if ended.returncode:
        why = line(ended.stderr) or f"exit status {ended.returncode}"
        _leave(f"expected initdb to make a database in {data}, got: {why}; mend that, and start this again")
    aside.replace(data)


def _check_free(port: int) -> None:
    """Another PostgreSQL there would be taken for the one that is started."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as reason:
        why = os.strerror(reason.errno) if reason.errno else reason
        _leave(f"expected port {port} to be free for PostgreSQL, got: {why}; choose another --database-port")


def _leave(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


def _programs() -> Path:
    """Where PostgreSQL's are: Debian keeps them off the path."""
    if on_path := shutil.which("initdb"):
        return Path(on_path).parent
    debian = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not debian:
        _leave("expected PostgreSQL, got none: install it, as by apt-get install postgresql")
    return max(debian, key=lambda path: float(path.parts[4])).parent


@contextmanager
def _running(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, user: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run it within the block."""
    with subprocess.Popen(command, env=environment, cwd=folder, user=user) as process:  # noqa: S603
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    """Until it answers."""
    end = time.monotonic() + SECONDS
    while server.poll() is None and time.monotonic() < end:
        with socket.socket() as tried:
            answers = tried.connect_ex(("127.0.0.1", port)) == 0
        if answers and server.poll() is None:  # else it was another that answered
            return
        time.sleep(0.1)
    _leave(f"expected PostgreSQL to start at port {port}, got: see above; choose another --database-port")


if __name__ == "__main__":
    try:
        main()
    except FinepruneError as reason:
        _leave(str(reason))
