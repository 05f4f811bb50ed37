"""What a team's server is deployed by: the script, and the files for containers, which are not started here."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

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


def test_compose_accepts_its_file() -> None:
    if not shutil.which("docker-compose"):
        pytest.skip("docker-compose is not installed")
    command = ["docker-compose", "-f", ROOT / "deploy" / "compose.yaml", "config"]
    refused = subprocess.run(command, env={"PATH": "/usr/bin"}, capture_output=True, text=True)
    accepted = subprocess.run(
        command, env={"PATH": "/usr/bin", **dict.fromkeys(SECRETS, "x")}, capture_output=True, text=True
    )
    assert refused.returncode != 0 and accepted.returncode == 0, accepted.stderr


def test_the_script_asks_for_a_password_before_it_makes_anything(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "deploy" / "tracking.py", tmp_path / "kept"]
    refused = subprocess.run(command, env={"PATH": "/usr/bin"}, capture_output=True, text=True)
    assert refused.returncode == 2 and not (tmp_path / "kept").exists()
    assert refused.stderr.startswith("error: expected MLFLOW_AUTH_ADMIN_PASSWORD in the environment, got none: set it")
