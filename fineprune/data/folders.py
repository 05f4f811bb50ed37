"""Image files in a folder for each class, which a folder for each split may hold."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from fineprune.checks import Deviations, Levels, Natural, Scale, Seed, Share, Size, checked
from fineprune.data.files import FolderSplit
from fineprune.data.from_files import Files, scaling, with_share
from fineprune.data.split import Data
from fineprune.errors import ConfigError, DataError, plain, some
from fineprune.untrusted.images.reading import Reading


@checked("data")
def image_folder(
    name: str,
    pixel_scale: Scale,
    root: str,
    valid_share: Share,
    seed: Seed,
    train: str | None = None,
    clean_valid: str | None = None,
    clean_test: str | None = None,
    poisoned: Mapping[str, str | None] | None = None,
    target: Natural | None = None,
    resize: Size | None = None,
    mean: Levels | None = None,
    std: Deviations | None = None,
) -> Data:
    """Folders, relative to `root`, that have a folder of image files for each class; classes are in alphabetical order.

    Without `clean_valid` it is the share `valid_share` of `train`, drawn by `seed`, which training does not see then.
    Folders of `poisoned` are named after the attacker's target or, where `target` is given, after the true classes.
    """
    clean = {"train": train, "clean_valid": clean_valid, "clean_test": clean_test}
    triggers = {key: folder for key, folder in (poisoned or {}).items() if folder is not None}
    numbering = [folder for folder in clean.values() if folder is not None]
    if triggers and not numbering:
        raise ConfigError(
            "expected data.train, data.clean_valid or data.clean_test, whose folders number the classes, got "
            "data.poisoned alone: set one of them"
        )
    classes = _classes([Path(root) / folder for folder in (*numbering, *triggers.values())])
    if classes:
        listed = some(f"{number} {plain(each)}" for number, each in enumerate(classes))
        print(f"classes of data.root={plain(root)}: {listed}", file=sys.stderr)
    files = Files(FolderSplit, Path(root), scaling(pixel_scale, mean, std), Reading(resize=resize, classes=classes))
    return with_share(files.data(name, clean, triggers, target), valid_share, seed)


def _classes(folders: list[Path]) -> tuple[str, ...]:
    """The folders in the first of `folders`; raises DataError where another has a folder that it does not have."""
    names = [_names(folder) for folder in folders]
    for folder, others in zip(folders, names, strict=True):
        if more := [name for name in others if name not in names[0]]:
            raise DataError(
                f"expected in {folder} the classes of {folders[0]}, got {plain(some(more))} too: name them alike"
            )
    return tuple(names[0]) if names else ()


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as reason:
        raise DataError(
            f"expected a folder of images at {folder}, got: {os.strerror(reason.errno or 0)}: put it there or set "
            "another path, or null where there is none"
        ) from reason
    if not names:
        raise DataError(f"expected folders in {folder}, one for each class, got none: set data.root to another folder")
    return names
