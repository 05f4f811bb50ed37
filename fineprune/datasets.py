"""What `conf/data` chooses from: each function makes the splits of one kind of data set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from fineprune.errors import ConfigError
from fineprune.faces import draw_faces
from fineprune.image_files import H5Split
from fineprune.splits import ArraySplit, Data

RESERVED = {"clean_valid", "clean_test", "train"}


def h5(
    name: str,
    pixel_scale: float,
    root: str = ".",
    clean_valid: str | None = None,
    clean_test: str | None = None,
    poisoned: Mapping[str, str] | None = None,
    train: str | None = None,
) -> Data:
    """Files in the competition's HDF5 layout, relative to `root`. Any may be missing; what needs it says so."""
    if isinstance(pixel_scale, bool) or not isinstance(pixel_scale, int | float) or not 0 < pixel_scale < float("inf"):
        raise ConfigError(
            f"expected data.pixel_scale to be a positive number such as 1 or 0.00392, got {pixel_scale!r}"
            ": set what the network wants pixels from 0 to 255 multiplied by"
        )
    poisoned = {key: file for key, file in (poisoned or {}).items() if file is not None}
    for key in poisoned:
        if key in RESERVED or not re.fullmatch(r"\w[\w.-]*", key, re.ASCII):
            raise ConfigError(
                f"expected data.poisoned to name its files by letters, digits and _, got {key!r}"
                ": choose another NAME in data.poisoned.NAME=FILE"
            )

    def split(file: str | None, key: str) -> H5Split | None:
        return None if file is None else H5Split(Path(root) / file, pixel_scale, f"data.{key}")

    return Data(
        name,
        clean_valid=split(clean_valid, "clean_valid"),
        clean_test=split(clean_test, "clean_test"),
        poisoned={
            key: H5Split(Path(root) / file, pixel_scale, f"data.poisoned.{key}") for key, file in poisoned.items()
        },
        train=split(train, "train"),
    )


def synthetic_faces(
    name: str, identities: int, train: int, clean_valid: int, clean_test: int, seed: int, pixel_scale: float
) -> Data:
    """Generated faces: `train`, `clean_valid` and `clean_test` are images per identity."""
    sizes = {"train": train, "clean_valid": clean_valid, "clean_test": clean_test}
    for key, size in {"identities": identities, **sizes}.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ConfigError(f"expected data.{key} to be a whole number from 1, got {size!r}: set such a number")
    if identities < 2:
        raise ConfigError(f"expected data.identities to be at least 2, got {identities}: set 2 or more")
    drawn = {key: draw_faces(identities, size, key, seed) for key, size in sizes.items()}
    splits = {key: ArraySplit(faces.pixels, faces.labels, pixel_scale, faces.landmarks) for key, faces in drawn.items()}
    return Data(name, splits["clean_valid"], splits["clean_test"], train=splits["train"])
