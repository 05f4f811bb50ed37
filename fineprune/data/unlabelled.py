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
from fineprune.errors import DataError, plain
from fineprune.untrusted.images.reading import Reading

ARRAYS: dict[str, type[FileSplit]] = {".h5": H5Split, ".hdf5": H5Split, ".npz": NpzSplit}
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm"}


@checked("data")
def unlabelled(
    path: str, pixel_scale: Scale, mean: Levels | None = None, std: Deviations | None = None, **images: Any
) -> tuple[list[str], Split]:
    """The names of the images at `path`, and the images, labelled 0, 1, …; `images` are settings of `reading`.

    That is an HDF5 or .npz file, whose images have numbers for names, an image file, or a folder of image files, also
    in folders inside of it. Raises DataError.
    """
    place, becomes = Path(path), scaling(pixel_scale, mean, std)
    if kind := ARRAYS.get(place.suffix.lower()):
        split = kind(place, becomes, "given", reading(labels="", true_labels=None, **images))
        return [str(number) for number in range(len(split))], split
    is_one = place.is_file()
    files = ("",) if is_one else _pictures(place)
    numbered = Reading(resize=reading(**images).resize, classes=files)
    found = FolderSplit(place.resolve() if is_one else place, becomes, "given", numbered)
    names = [plain(place.name)] if is_one else list(map(plain, files))
    return [names[number] for number in found.labels], found


def left_out(path: str) -> str:
    """How many files in the folder `path` are no images by their names, in a line; empty where there are none."""
    others = sorted(name for name in _inside(Path(path)) if not _is_picture(name))
    images = ", ".join(sorted(PICTURES))
    return f"files left out: {len(others):,}, the first {plain(others[0])}; images are {images}" if others else ""


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in PICTURES


def _pictures(folder: Path) -> tuple[str, ...]:
    """The image files in `folder` and in the folders in it, by their paths from there; raises DataError."""
    try:
        names = tuple(sorted(filter(_is_picture, _inside(folder))))
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


def _inside(folder: Path) -> Iterator[str]:
    """The files in `folder` and in the folders in it; hidden ones are none."""

    def fail(reason: OSError) -> None:
        raise reason

    for place, inner, files in os.walk(folder, onerror=fail):
        inner[:] = (name for name in inner if not name.startswith("."))
        if link := next((name for name in inner if (Path(place) / name).is_symlink()), None):
            raise DataError(f"expected images in {folder} itself, got a link, {plain(link)}: copy what it leads to")
        for name in files:
            if not name.startswith("."):
                yield str((Path(place) / name).relative_to(folder))
