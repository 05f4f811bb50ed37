"""What `conf/data` chooses from: each function makes the splits of one kind of data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from fineprune.checks import Count, Deviations, Levels, Natural, Scale, Seed, Share, checked
from fineprune.data.faces import SplitName
from fineprune.data.faces.kept import kept_faces
from fineprune.data.files import FileSplit, H5Split, NpzSplit
from fineprune.data.from_files import Files, reading, scaling, with_share
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, Data


def _of_files(kind: type[FileSplit]) -> Callable[..., Data]:
    """A function that makes the splits of a data set that lies in files of one `kind`."""

    @checked("data")
    def data(
        name: str,
        pixel_scale: Scale,
        root: str = ".",
        clean_valid: str | None = None,
        clean_test: str | None = None,
        poisoned: Mapping[str, str | None] | None = None,
        train: str | None = None,
        target: Natural | None = None,
        mean: Levels | None = None,
        std: Deviations | None = None,
        valid_share: Share | None = None,
        seed: Seed = 0,
        **images: Any,
    ) -> Data:
        """Files, relative to `root`. Any may be missing; what needs it says so. `images` are settings of `reading`.

        The labels of poisoned files are the attacker's targets or, where `target` is given, the true classes. Without
        `clean_valid`, the share `valid_share` of `train`, drawn by `seed`, takes its place, where that is given.
        """
        files = Files(kind, Path(root), scaling(pixel_scale, mean, std), reading(**images))
        clean = {"clean_valid": clean_valid, "clean_test": clean_test, "train": train}
        data = files.data(name, clean, poisoned or {}, target)
        return data if valid_share is None else with_share(data, valid_share, seed)

    return data


h5 = _of_files(H5Split)
npz = _of_files(NpzSplit)


@checked("data")
def synthetic_faces(
    name: str,
    identities: Annotated[int, Field(ge=2)],
    train: Count,
    clean_valid: Count,
    clean_test: Count,
    seed: Natural,
    pixel_scale: Scale,
    cache: str | None = None,
    mean: Levels | None = None,
    std: Deviations | None = None,
) -> Data:
    """Generated faces: `train`, `clean_valid` and `clean_test` are images per identity, kept in a folder `cache`."""
    becomes = scaling(pixel_scale, mean, std)
    becomes.check(3)
    sizes: dict[SplitName, int] = {"train": train, "clean_valid": clean_valid, "clean_test": clean_test}
    splits = {split: _faces(cache, identities, size, split, seed, becomes) for split, size in sizes.items()}
    return Data(name, splits["clean_valid"], splits["clean_test"], train=splits["train"])


@lru_cache(maxsize=9)  # the splits of three seeds, which the runs of a grid share: 180 MB at the default size
def _faces(folder: str | None, identities: int, each: int, split: SplitName, seed: int, becomes: Scaling) -> ArraySplit:
    faces = kept_faces(Path(folder) if folder else None, identities, each, split, seed)
    return ArraySplit(faces.pixels, faces.labels, becomes, faces.landmarks)
