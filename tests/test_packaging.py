"""The wheel carries everything that a run needs, and nothing else."""

from zipfile import ZipFile

import pytest
from commands import RUNNERS
from wheels import PARTS, wheel

INSIDE = {"conf": "fineprune/conf", "fineprune": "fineprune", "runners": "fineprune/runners"}
INSIDE |= {"strategies": "fineprune/strategies"}


@pytest.mark.slow
def test_the_wheel_carries_settings_and_packages_below_one_name(tmp_path_factory: pytest.TempPathFactory) -> None:
    with ZipFile(wheel(tmp_path_factory)) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        (scripts,) = (name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        assert archive.read(scripts).decode() == "[console_scripts]\nfineprune = fineprune.runners.console:main\n"
    expected = {
        f"{INSIDE[part]}/{file.relative_to(RUNNERS / part)}"
        for part in PARTS[:-1]
        for file in (RUNNERS / part).rglob("*")
        if file.suffix in (".py", ".yaml", ".j2", ".css", ".js")
    }
    assert {"fineprune/conf/sweep.yaml", "fineprune/data/faces/shapes.py"} <= packed
    assert {"fineprune/strategies/controls/none.py", "fineprune/runners/sweep.py"} <= packed
    assert "fineprune/comparison/output/report.html.j2" in packed
    assert packed == expected
