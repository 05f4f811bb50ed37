"""Files of labelled images that mutants are made of, and how they are opened."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

CLASSES = 3
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), np.uint8)
LABELS = np.arange(6) % CLASSES
KINDS = ("jpg", "png", "bmp", "webp", "ppm", "jpg")


def _h5(path: Path, libver: str | None = None) -> None:
    with h5py.File(path, "w", libver=libver) as file:
        data = PIXELS.transpose(0, 3, 1, 2)
        file.create_dataset("data", data=data, chunks=(2, 3, 4, 4), compression="gzip", shuffle=True)
        file["label"] = LABELS


def _npz(path: Path) -> None:
    np.savez(path, data=PIXELS, label=LABELS)


def _folder(path: Path) -> None:
    for number, kind in enumerate(KINDS):
        place = path / f"class_{number % CLASSES}" / f"{number}.{kind}"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[number]).save(place)


# By what a kind is called here: how its files end, and what makes one.
ORIGINALS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "old images": (".h5", _h5),
    "new images": (".h5", lambda path: _h5(path, "latest")),
    "npz images": (".npz", _npz),
    "folder of images": ("", _folder),
}


def opener(kind: str) -> Callable[[Path], Any]:
    """What opens files of that kind, as users do."""
    from fineprune.data.files import FolderSplit, H5Split, NpzSplit
    from fineprune.data.scaling import Scaling
    from fineprune.untrusted.images.reading import Reading

    split = {"npz images": NpzSplit, "folder of images": FolderSplit}.get(kind, H5Split)
    classes = tuple(f"class_{number}" for number in range(CLASSES)) if split is FolderSplit else ()
    return lambda path: split(path, Scaling(1.0), "clean_test", Reading(classes=classes)).pixels(0, 3)
