"""The wheel carries everything that a run needs, and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_wheel_carries_settings_and_packages(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    parts = ("conf", "fineprune", "runners", "strategies", "tests")
    for part in parts:
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    build = [sys.executable, "-m", "pip", "wheel", ".", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path]
    subprocess.run(build, cwd=tree, check=True)
    (wheel,) = tmp_path.glob("fineprune-*.whl")
    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        (scripts,) = (name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        assert archive.read(scripts).decode() == "[console_scripts]\nfineprune = runners.console:main\n"
    expected = {
        str(file.relative_to(tree))
        for part in parts[:-1]
        for file in (tree / part).rglob("*")
        if file.suffix in (".py", ".yaml", ".j2", ".css", ".js")
    }
    assert {"conf/sweep.yaml", "conf/strategy/channel_activation.yaml", "fineprune/data/faces/shapes.py"} <= packed
    assert "fineprune/comparison/output/report.html.j2" in packed
    assert packed == expected
