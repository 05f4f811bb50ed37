"""What `conf/data` chooses from: each function makes the splits of one kind of data set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from fineprune.checks import Count, Natural, Scale, checked
from fineprune.data.faces import SplitName, draw_faces
from fineprune.data.h5 import H5Split
from fineprune.data.split import ArraySplit, Data, Split, Subset
from fineprune.errors import ConfigError, DataError
from fineprune.progress import stage

RESERVED = {"clean_valid", "clean_test", "train"}


@checked("data")
def h5(
    name: str,
    pixel_scale: Scale,
    root: str = ".",
    clean_valid: str | None = None,
    clean_test: str | None = None,
    poisoned: Mapping[str, str | None] | None = None,
    train: str | None = None,
    target: Natural | None = None,
) -> Data:
    """Files in the competition's HDF5 layout, relative to `root`. Any may be missing; what needs it says so.

    The labels of poisoned files are the attacker's targets or, where `target` is given, the true classes.
    """
    files = {key: file for key, file in (poisoned or {}).items() if file is not None}
    for key in files:
        check_name(key)

    def split(file: str | None, key: str) -> H5Split | None:
        return None if file is None else H5Split(Path(root) / file, pixel_scale, f"data.{key}")

    def poisoned_split(file: str, key: str) -> Split:
        stored = H5Split(Path(root) / file, pixel_scale, f"data.{key}")
        return stored if target is None else aimed(stored, target, f"data.{key}")

    return Data(
        name,
        clean_valid=split(clean_valid, "clean_valid"),
        clean_test=split(clean_test, "clean_test"),
        poisoned={key: poisoned_split(file, f"poisoned.{key}") for key, file in files.items()},
        train=split(train, "train"),
    )


def check_name(trigger: Any) -> None:
    """Raise ConfigError unless `trigger` can name poisoned images in every table, file and log."""
    if not isinstance(trigger, str) or trigger in RESERVED or not re.fullmatch(r"\w[\w.-]*", trigger, re.ASCII):
        raise ConfigError(
            f"expected data.poisoned to name its files by letters, digits and _, got {trigger!r}"
            ": choose another NAME in data.poisoned.NAME=FILE"
        )


def aimed(split: Split, target: int, name: str) -> Split:
    """Those images of `split`, labelled by what they show, that are not of the attacker's `target`, labelled by that.

    Raises DataError where there are none.
    """
    rows = np.flatnonzero(split.labels != target)
    if len(rows) == 0:
        raise DataError(
            f"expected images of other classes than data.target={target} in {name}, got none: where its labels are "
            "the target already, leave data.target out"
        )
    others = Subset(split, rows)
    others.true_labels, others.labels = others.labels, np.full(len(rows), target, np.int64)
    return others


@checked("data")
def synthetic_faces(
    name: str,
    identities: Annotated[int, Field(ge=2)],
    train: Count,
    clean_valid: Count,
    clean_test: Count,
    seed: Natural,
    pixel_scale: Scale,
) -> Data:
    """Generated faces: `train`, `clean_valid` and `clean_test` are images per identity."""
    sizes: dict[SplitName, int] = {"train": train, "clean_valid": clean_valid, "clean_test": clean_test}
    with stage("drawing faces"):
        drawn = {key: draw_faces(identities, size, key, seed) for key, size in sizes.items()}
    splits = {key: ArraySplit(faces.pixels, faces.labels, pixel_scale, faces.landmarks) for key, faces in drawn.items()}
    return Data(name, splits["clean_valid"], splits["clean_test"], train=splits["train"])
