"""What a team's server is deployed by: the script, and the files for containers, which are not started here."""

import importlib.util
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SECRETS = ("POSTGRES_PASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY")


def test_no_secret_of_the_containers_has_a_default() -> None:
    text = (ROOT / "deploy" / "compose.yaml").read_text()
    for service in yaml.safe_load(text)["services"].values():
        for name, value in service["environment"].items():
            if re.search("PASSWORD|SECRET|KEY", name):
                assert value is None or re.fullmatch(r"\$\{\w+:\?.*\}", value), name
    assert set(re.findall(r"\$\{(\w+):\?", text)) == set(SECRETS)


def test_the_image_is_made_of_what_is_there() -> None:
    lines = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    sources = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    shown = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in sources} == {line for line in shown if line.startswith("!")}
    assert all((ROOT / name).exists() for name in sources)


@pytest.mark.parametrize("missing", [None, *SECRETS])
@pytest.mark.slow
def test_compose_accepts_its_file_with_all_secrets_alone(missing: str | None) -> None:
    if not shutil.which("docker-compose"):
        pytest.skip("docker-compose is not installed")
    command = ["docker-compose", "-f", ROOT / "deploy" / "compose.yaml", "config"]
    secrets = {"PATH": "/usr/bin", **{name: "x" for name in SECRETS if name != missing}}
    ended = subprocess.run(command, env=secrets, capture_output=True, text=True)
    if missing is None:
        assert ended.returncode == 0, ended.stderr
    else:
        assert ended.returncode != 0 and missing in ended.stderr and "set it, " in ended.stderr


def test_the_script_asks_for_a_password_before_it_makes_anything(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "deploy" / "tracking.py", tmp_path / "kept"]
    refused = subprocess.run(command, env={"PATH": "/usr/bin"}, capture_output=True, text=True)
    assert refused.returncode == 2 and not (tmp_path / "kept").exists()
    assert refused.stderr.startswith("error: expected MLFLOW_AUTH_ADMIN_PASSWORD in the environment, got none: set it")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = [sys.executable, ROOT / "deploy" / "tracking.py", tmp_path / "file" / "kept"]
    (tmp_path / "initdb").touch(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin", "MLFLOW_AUTH_ADMIN_PASSWORD": "x" * 12}
    refused = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert refused.stderr.startswith(f"error: expected to write {tmp_path}/file/kept/password, got: Not a directory; ")


def test_the_file_of_secrets_is_never_committed() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    for name, ignored in (("deploy/.env", True), ("deploy/compose.yaml", False)):
        command = ["git", "check-ignore", "--no-index", "--quiet", name]
        assert (subprocess.run(command, cwd=ROOT).returncode == 0) is ignored


INITDB = """#!/bin/sh
for each; do case $each in --pgdata=*) data=${each#*=};; esac; done
touch "$data/PG_VERSION"
[ -e "{folder}/broken" ] && echo "initdb: error: no room" >&2 && exit 1
touch "$data/whole"
"""
POSTGRES = """#!{python}
import signal, socket, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
with socket.create_server(("127.0.0.1", int(sys.argv[-1]))):
    time.sleep(60)
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with programs in the place of PostgreSQL's. Where there is a file `broken` this initdb breaks off."""
    for name, text in (("initdb", INITDB), ("postgres", POSTGRES)):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(text.replace("{folder}", str(tmp_path)).replace("{python}", sys.executable))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr("os.getuid", lambda: 1000)
    spec = importlib.util.spec_from_file_location("deployed_tracking", ROOT / "deploy" / "tracking.py")
    assert spec and spec.loader
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    return module


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_a_database_is_made_anew_where_making_it_broke_off(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken").touch()
    with pytest.raises(SystemExit) as ended, script._postgresql(tmp_path / "kept", free_port()):
        pass
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("\n") == 1
    assert said.endswith("/kept/postgresql, got: initdb: error: no room; mend that, and start this again\n")
    (tmp_path / "broken").unlink()
    for _ in range(2):
        with script._postgresql(tmp_path / "kept", free_port()):
            assert (tmp_path / "kept" / "postgresql" / "whole").exists()


def test_another_server_at_the_port_is_not_taken_for_its_own(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SystemExit) as ended, script._postgresql(tmp_path / "kept", port):
            pass
        assert ended.value.code == 2
        assert f"expected port {port} to be free for PostgreSQL, got: Address already in use" in capsys.readouterr().err
        over = subprocess.Popen(["/bin/true"])
        over.wait()
        with pytest.raises(SystemExit):
            script._wait(over, port)


def test_a_secret_is_whole_or_not_there(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", stop)
        with pytest.raises(KeyboardInterrupt):
            script._secret(tmp_path / "key")
    drawn = script._secret(tmp_path / "key")
    assert len(drawn) > 30 and script._secret(tmp_path / "key") == drawn
