"""Run folders are found in whatever folder a user names that may hold them."""

from pathlib import Path

from fineprune.report import records


def test_run_folders_are_found_in_what_may_hold_them(tmp_path: Path) -> None:
    outputs, elsewhere = tmp_path / "outputs", tmp_path / "elsewhere"
    runs = ["", "sweep/2026", "sweep/2027/0", "study/2026/01/3"]
    for folder in [elsewhere / "run", *(outputs / name for name in runs), outputs / "study/2026/01/3/4"]:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json").touch()
    (outputs / "linked").symlink_to(elsewhere)
    assert records.folders(outputs) == sorted(outputs / name for name in runs)
    assert records.folders(outputs / "sweep" / "2026") == [outputs / "sweep" / "2026"]
    for nothing in (tmp_path / "none", Path("a\0b"), Path("x" * 5000), outputs / "run.json"):
        assert records.folders(nothing) == [nothing]
