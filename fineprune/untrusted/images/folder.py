"""Images in a folder for each class, or with a name for each, as JPEG, PNG, BMP, WebP or PPM files."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from fineprune.errors import DataError, line, some
from fineprune.untrusted.images import arrays, layout
from fineprune.untrusted.images.reading import Reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fineprune.untrusted.vetting import Handover

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "PPM")  # each more would be one more decoder to trust
GRAY, COLOUR = {"1", "L"}, {"P", "RGB", "RGBA", "LA", "CMYK", "YCbCr"}
Found = list[tuple[str, int]]


def read(path: str, what: str, handover: Handover, reading: Reading) -> None:
    """Check every file, and hand over the images, their classes, by the order of `reading.classes`, and a digest.

    Images are in colour unless all are gray. Raises DataError, calling the folder `what`.
    """
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    files = [(file, number) for number, name in enumerate(reading.classes) for file in _files(path, name)]
    if not files:
        raise DataError(f"expected {what} in folders of {path}, one for each class, got none: set another folder")
    layout.check_size((len(files), 1, 1, 1), path)
    mode, (width, height) = _common(files, reading.resize is None)
    shape = (len(files), height, width, len(mode) if mode == "RGB" else 1)
    layout.check_size(shape if reading.resize is None else (len(files), *reading.resize, shape[3]), path)
    labels = np.array([number for _, number in files], np.int64)
    handover.add("label", labels.dtype, labels.shape, [labels])
    pixels = (_decoded(file, mode) for file, _ in files)
    arrays.hand_over_pixels(pixels, np.dtype(np.uint8), shape, reading, handover)


def _files(path: str, name: str) -> list[str]:
    """The files in the folder of the class `name`, by name, or the file of that name; none where it is not there."""
    folder, root = Path(path) / name, Path(path).resolve()
    if not folder.exists():
        return []
    try:
        inside = sorted(entry.path for entry in os.scandir(folder) if entry.name[0] != ".") if folder.is_dir() else []
        files = inside if folder.is_dir() else [str(folder)]
        places = [Path(file).resolve() for file in files]
    except (OSError, RuntimeError) as reason:  # the latter of a link that leads to itself
        raise DataError(
            f"expected images in {folder} that can be reached, got: {line(reason)}: mend or remove what cannot"
        ) from reason
    for file, place in zip(files, places, strict=True):
        if not place.is_relative_to(root):
            raise DataError(
                f"expected images in {path} itself, got a link out of it, {line(file)}: copy what it leads to"
            )
        if not Path(file).is_file():
            raise DataError(f"expected images alone in {folder}, got {line(file)}, no file: remove it")
    return files


def _common(files: Found, same_size: bool) -> tuple[str, tuple[int, int]]:
    """The mode, L or RGB, that all images are brought to, and the width and height of the first, or of all."""
    first: tuple[int, int] | None = None
    modes: set[str] = set()
    for file, _ in files:
        with _opened(file) as image:
            size, mode = image.size, image.mode
        first, modes = first or size, modes | {mode}
        if mode not in GRAY | COLOUR:
            raise DataError(
                f"expected images of 8 bits a channel, got {line(file)} of {mode}: save it as PNG of 8 bits"
            )
        if same_size and size != first:
            raise DataError(
                f"expected images of one size, {first[0]}×{first[1]}, got {size[0]}×{size[1]} in {line(file)}: set "
                "'data.resize=[HEIGHT,WIDTH]', the network's"
            )
    return "L" if modes <= GRAY else "RGB", first or (0, 0)


def _opened(file: str) -> Image.Image:
    try:
        return Image.open(file, formats=FORMATS)
    except Exception as reason:  # Pillow raises many types over a damaged file
        raise DataError(
            f"expected images alone, of {some(FORMATS)}, got {line(file)}: {line(reason)}: save it as one, or remove it"
        ) from reason


def _decoded(file: str, mode: str) -> NDArray[Any]:
    """The image in `file`, (1, H, W, C)."""
    with _opened(file) as image:
        try:
            pixels = np.asarray(image.convert(mode))
        except Exception as reason:  # as above
            raise DataError(
                f"expected {line(file)} to be readable, got damage: {line(reason)}: get another copy, or remove it"
            ) from reason
    return pixels[None] if mode == "RGB" else pixels[None, ..., None]
