"""What `conf/data` chooses from: each function makes the splits of one kind of data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from fineprune.checks import Count, Deviations, Levels, Natural, Scale, checked
from fineprune.data.faces import SplitName, draw_faces
from fineprune.data.files import H5Split, NpzSplit
from fineprune.data.from_files import files, scaling
from fineprune.data.split import ArraySplit, Data
from fineprune.progress import stage


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
    **images: Any,
) -> Data:
    """HDF5 files, relative to `root`. Any may be missing; what needs it says so. `images` are settings of `files`.

    The labels of poisoned files are the attacker's targets or, where `target` is given, the true classes.
    """
    clean = {"clean_valid": clean_valid, "clean_test": clean_test, "train": train}
    return files(H5Split, root, pixel_scale, **images).data(name, clean, poisoned or {}, target)


@checked("data")
def npz(
    name: str,
    pixel_scale: Scale,
    root: str = ".",
    clean_valid: str | None = None,
    clean_test: str | None = None,
    poisoned: Mapping[str, str | None] | None = None,
    train: str | None = None,
    target: Natural | None = None,
    **images: Any,
) -> Data:
    """The same of NumPy's .npz files."""
    clean = {"clean_valid": clean_valid, "clean_test": clean_test, "train": train}
    return files(NpzSplit, root, pixel_scale, **images).data(name, clean, poisoned or {}, target)


@checked("data")
def synthetic_faces(
    name: str,
    identities: Annotated[int, Field(ge=2)],
    train: Count,
    clean_valid: Count,
    clean_test: Count,
    seed: Natural,
    pixel_scale: Scale,
    mean: Levels | None = None,
    std: Deviations | None = None,
) -> Data:
    """Generated faces: `train`, `clean_valid` and `clean_test` are images per identity."""
    becomes = scaling(pixel_scale, mean, std)
    becomes.check(3)
    sizes: dict[SplitName, int] = {"train": train, "clean_valid": clean_valid, "clean_test": clean_test}
    with stage("drawing faces"):
        drawn = {key: draw_faces(identities, size, key, seed) for key, size in sizes.items()}
    splits = {key: ArraySplit(faces.pixels, faces.labels, becomes, faces.landmarks) for key, faces in drawn.items()}
    return Data(name, splits["clean_valid"], splits["clean_test"], train=splits["train"])
