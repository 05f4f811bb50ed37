"""Valid files and folders with something changed in them. The same number gives the same mutant.

    PYTHONPATH=.:tests/support python -m mutants count KIND FIRST LAST
    PYTHONPATH=.:tests/support python -m mutants make KIND FOLDER
    PYTHONPATH=.:tests/support python -m mutants open KIND here|vetted ORIGINAL MUTANT FIRST LAST

KIND is one of those in `images` and `networks`, or "swept KIND" of a network.
"""

import random
import shutil
from pathlib import Path

from mutants.contents import changed

__all__ = ["mutant"]


def mutant(original: Path, number: int, path: Path) -> None:
    """Write the mutant of that number to `path`."""
    draw = random.Random(number)  # noqa: S311
    if not original.is_dir():
        path.unlink(missing_ok=True)  # HDF5 may still lock the one before
        path.write_bytes(changed(original.read_bytes(), draw))
        return
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(original, path)
    file = draw.choice(sorted(each for each in path.rglob("*") if each.is_file()))
    if draw.random() < 0.9:
        file.write_bytes(changed(file.read_bytes(), draw))
        return
    file.unlink()
    match draw.choice(["gone", "link", "loop", "folder", "other"]):
        case "link":
            file.symlink_to("/etc/hostname")
        case "loop":
            file.symlink_to(file)
        case "folder":
            file.mkdir()
        case "other":
            shutil.copy(draw.choice([each for each in path.rglob("*") if each.is_file()]), file)
