"""A store of objects that speaks S3, on this machine, by the daemons of a real one: OpenStack Swift, and memcached."""

import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from clusters.team import free_port

DAEMONS = ("memcached", *(f"swift-{name}-server" for name in ("account", "container", "object", "proxy")))
KEY = secrets.token_hex()
COMMON = "[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {port}\nworkers = 0\nuser = root\nswift_dir = {folder}\n"
KEPT = """devices = {folder}
mount_check = false
disable_fallocate = true
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
FILTERS = "catch_errors gatekeeper healthcheck cache s3api tempauth copy slo dlo versioned_writes symlink".split()
PROXY = """[pipeline:main]
pipeline = {filters} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
"""
OF_FILTERS = {"cache": "memcache_servers = 127.0.0.1:{cache}", "tempauth": "user_team_mlflow = {key} .admin"}


def missing() -> str:
    """What to install to have one; empty where it is there."""
    absent = [name for name in DAEMONS if shutil.which(name) is None]
    packages = "memcached swift-account swift-container swift-object swift-proxy"
    return f"no {', '.join(absent)}: apt-get install {packages}" if absent else ""


@contextmanager
def running() -> Iterator[Mapping[str, str]]:
    """The environment in which MLflow finds it, within the block, and the bucket `fineprune`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="swift", ignore_cleanup_errors=True)))
        (folder / "disk").mkdir()
        port, cache = free_port(), free_port()
        stack.enter_context(_daemon(["memcached", "-u", "root", "-l", "127.0.0.1", "-p", str(cache), "-m", "16"]))
        for name in ("account", "container", "object"):
            own = free_port()
            (folder / f"{name}.conf").write_text((COMMON + KEPT).format(port=own, folder=folder, name=name))
            for step in (["create", "4", "1", "1"], ["add", f"r1z1-127.0.0.1:{own}/disk", "1"], ["rebalance"]):
                ring = ["swift-ring-builder", f"{folder}/{name}.builder", *step]
                subprocess.run(ring, check=True, capture_output=True)
            stack.enter_context(_daemon([f"swift-{name}-server", f"{folder}/{name}.conf"]))
        (folder / "proxy.conf").write_text(_of_the_proxy(port, folder, cache))
        stack.enter_context(_daemon(["swift-proxy-server", f"{folder}/proxy.conf"]))
        environment = {
            "MLFLOW_ARTIFACTS_DESTINATION": "s3://fineprune/of-the-team",
            "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "team:mlflow",
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        _make_bucket(environment)
        yield environment


def names(environment: Mapping[str, str]) -> list[str]:
    """Of all objects in the bucket."""
    listed = _client(environment).list_objects_v2(Bucket="fineprune").get("Contents", [])
    return [each["Key"] for each in listed]


def _client(environment: Mapping[str, str]):  # type: ignore[no-untyped-def]
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=environment["MLFLOW_S3_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )


def _make_bucket(environment: Mapping[str, str], seconds: int = 60) -> None:
    """Make it, as soon as all answer."""
    end = time.monotonic() + seconds
    while True:
        try:
            _client(environment).create_bucket(Bucket="fineprune")
            return
        except Exception:  # none of them before
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def _of_the_proxy(port: int, folder: Path, cache: int) -> str:
    of_each = [
        "\n".join(
            [f"[filter:{name}]", f"use = egg:swift#{'memcache' if name == 'cache' else name}", OF_FILTERS.get(name, "")]
        )
        for name in FILTERS
    ]
    text = "\n".join([COMMON + PROXY, *of_each, ""])
    return text.format(port=port, folder=folder, filters=" ".join(FILTERS), cache=cache, key=KEY)


@contextmanager
def _daemon(command: list[str]) -> Iterator[None]:
    """Run it within the block."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()
