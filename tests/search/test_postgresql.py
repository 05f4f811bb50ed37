"""A search in PostgreSQL, whose address, with its password, the environment alone names."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fineprune.errors import TrackingError
from fineprune.search.space import Space
from fineprune.search.storage import Storage
from fineprune.search.trials import Seeded, work

pytestmark = pytest.mark.servers
SPACE = Space({"strategy": {"x": {"low": 0.0, "high": 1.0}}})
PASSWORD = "not-to-be-seen"  # noqa: S105


def programs() -> Path:
    """Where PostgreSQL's own are: Debian keeps them off the path."""
    debian = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None)
    found = shutil.which("initdb") or debian
    if found is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return Path(found).parent


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server of this test's own on loopback. It does not run as root, for whom another user has to start it."""
    bin_folder, port = programs(), free_port()
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        folder = Path(made)
        (folder / "password").write_text(PASSWORD)
        if as_user:
            shutil.chown(folder, "postgres")
            shutil.chown(folder / "password", "postgres")
        data, options = folder / "data", f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
        initdb = ["initdb", "-D", data, "-U", "me", "-A", "scram-sha-256", f"--pwfile={folder}/password", "-N"]
        start = ["pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start"]
        for program, *arguments in (initdb, start):
            command = [*as_user, bin_folder / str(program), *arguments]
            subprocess.run(command, check=True, capture_output=True, cwd="/")
        try:
            yield f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            stop = [*as_user, bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"]
            subprocess.run(stop, check=True, capture_output=True, cwd="/")


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def test_trials_are_kept_and_shared_there(address: str) -> None:
    for trials in (2, 4):
        storage = Storage(address)
        storage.check()
        study = storage.study("mine", {"objective": "clean"})
        study.sampler = Seeded(0, {"strategy.x": 0.5})
        work(study, SPACE, trials, lambda _, values: float(values["strategy.x"] or 0), lambda *_: None)
        assert len(study.get_trials()) == trials
    assert study.get_trials()[0].value == 0.5


def test_no_message_shows_the_password(address: str) -> None:
    said = []
    for wrong in (address.replace(PASSWORD, "guessed"), f"{address}-that-is-not-there"):
        with pytest.raises(TrackingError) as refused:
            Storage(wrong).check()
        said.append(str(refused.value))
    assert "***@127.0.0.1" in said[0] and 'password authentication failed for user "***"' in said[0]
    assert "does not exist" in said[1]
    assert not [message for message in said if PASSWORD in message or "guessed" in message]
