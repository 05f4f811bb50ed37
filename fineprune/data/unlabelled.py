"""Images to be classified, of which nobody says what they show, each with a name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fineprune.checks import Deviations, Levels, Scale, checked
from fineprune.data.files import FileSplit, FolderSplit, H5Split, NpzSplit
from fineprune.data.from_files import reading, scaling
from fineprune.data.split import Split
from fineprune.errors import DataError
from fineprune.untrusted.images.reading import Reading

ARRAYS: dict[str, type[FileSplit]] = {".h5": H5Split, ".hdf5": H5Split, ".npz": NpzSplit}
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm"}


@checked("data")
def unlabelled(
    path: str, pixel_scale: Scale, mean: Levels | None = None, std: Deviations | None = None, **images: Any
) -> tuple[list[str], Split]:
    """The names of the images at `path`, and the images, labelled 0, 1, …; `images` are settings of `reading`.

    That is an HDF5 or .npz file, whose images have numbers for names, an image file, or a folder of image files, which
    may stand in folders of their own. Raises DataError.
    """
    place, becomes = Path(path), scaling(pixel_scale, mean, std)
    if kind := ARRAYS.get(place.suffix.lower()):
        split = kind(place, becomes, "given", reading(labels="", true_labels=None, **images))
        return [str(number) for number in range(len(split))], split
    whole = place.is_file()
    folder = place.resolve().parent if whole else place
    names = [place.resolve().name] if whole else _pictures(folder)
    numbered = Reading(resize=reading(**images).resize, classes=tuple(names))
    return [place.name] if whole else names, FolderSplit(folder, becomes, "given", numbered)


def _pictures(folder: Path) -> list[str]:
    """The image files in `folder` and in the folders in it, by their paths from there; raises DataError."""
    try:
        names = sorted(_inside(folder, 1))
    except OSError as reason:
        raise DataError(
            f"expected an image, a folder of images, an HDF5 or an .npz file at {folder}, got: "
            f"{os.strerror(reason.errno or 0)}: set images to another path"
        ) from reason
    if not names:
        raise DataError(
            f"expected image files in {folder}, {', '.join(sorted(PICTURES))}, got none: set images to another folder"
        )
    return names


def _inside(folder: Path, depth: int, before: str = "") -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir() and depth and not entry.name.startswith("."):
                yield from _inside(Path(entry.path), depth - 1, f"{entry.name}/")
            elif Path(entry.name).suffix.lower() in PICTURES and not entry.name.startswith("."):
                yield f"{before}{entry.name}"
