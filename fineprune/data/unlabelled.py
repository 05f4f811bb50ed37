"""Images to be classified, of which nobody says what they show, each with a name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fineprune.checks import Deviations, Levels, Scale, checked
from fineprune.data.files import FileSplit, FolderSplit, H5Split, NpzSplit
from fineprune.data.from_files import reading, scaling
from fineprune.data.split import Split
from fineprune.errors import DataError, plain
from fineprune.untrusted.images.reading import Reading

ARRAYS: dict[str, type[FileSplit]] = {".h5": H5Split, ".hdf5": H5Split, ".npz": NpzSplit}
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm"}


class Unlabelled(NamedTuple):
    """The `names` of `images`, and a line about the files beside them, empty where none was left out."""

    names: list[str]
    images: Split
    left_out: str = ""


@checked("data")
def unlabelled(
    path: str, pixel_scale: Scale, mean: Levels | None = None, std: Deviations | None = None, **images: Any
) -> Unlabelled:
    """The images at `path`, labelled 0, 1, …; `images` are settings of `reading`.

    That is an HDF5 or .npz file, whose images have numbers for names, an image file, or a folder of image files, also
    in folders inside of it. Raises DataError.
    """
    place, becomes = Path(path), scaling(pixel_scale, mean, std)
    if kind := ARRAYS.get(place.suffix.lower()):
        split = kind(place, becomes, "given", reading(labels="", true_labels=None, **images))
        return Unlabelled([str(number) for number in range(len(split))], split)
    is_one = place.is_file()
    files, others = ([""], []) if is_one else _apart(place)
    numbered = Reading(resize=reading(**images).resize, classes=tuple(files))
    found = FolderSplit(place.resolve() if is_one else place, becomes, "given", numbered)
    names = [plain(place.name)] if is_one else list(map(plain, files))
    return Unlabelled([names[number] for number in found.labels], found, _left_out(others))


def _left_out(others: Sequence[str]) -> str:
    images = ", ".join(sorted(PICTURES))
    return f"files left out: {len(others):,}, the first {plain(others[0])}; images are {images}" if others else ""


def _apart(folder: Path) -> tuple[list[str], list[str]]:
    """The image files in `folder` and in the folders in it, and other files, by their paths from there.

    Raises DataError where there are no images.
    """
    try:
        files = sorted(_inside(folder))
    except OSError as reason:
        raise DataError(
            f"expected an image, a folder of images, an HDF5 or an .npz file at {folder}, got: "
            f"{os.strerror(reason.errno or 0)}: set images to another path"
        ) from reason
    pictures = [name for name in files if Path(name).suffix.lower() in PICTURES]
    if not pictures:
        raise DataError(
            f"expected image files in {folder}, {', '.join(sorted(PICTURES))}, got none: set images to another folder"
        )
    return pictures, sorted({*files} - {*pictures})


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
