"""Labelled images in files, which may come from strangers, read block by block."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import ClassVar

import numpy as np

from fineprune.data.scaling import Scaling
from fineprune.data.split import Images, Split
from fineprune.errors import DataError
from fineprune.progress import stage
from fineprune.untrusted.images.reading import Reading
from fineprune.untrusted.vetting import vet


class FileSplit(Split):
    """The images that a process of its own read from a file, and checked; `reading` says how they stand there.

    `name` is what messages call it. Raises DataError where the file is missing, damaged or of another layout, and
    ConfigError where `scaling` is for other channels.
    """

    kind: ClassVar[str]

    def __init__(self, path: str | Path, scaling: Scaling, name: str, reading: Reading | None = None) -> None:
        self.scaling = scaling
        with stage(f"reading {name}"):
            arrays = vet(self.kind, path, DataError, f"the {name} images", reading or Reading())
        (self._stored,), (labels,), (self._digest,) = arrays["data"], arrays["label"], arrays["digest"]
        self.labels = labels.read()
        if true_labels := arrays.get("true_label"):
            self.true_labels = true_labels[0].read()
        scaling.check(self.shape[2])

    @property
    def shape(self) -> tuple[int, int, int]:
        _, height, width, channels = self._stored.shape
        return height, width, channels

    def pixels(self, start: int, stop: int) -> Images:
        return self._stored.read(start, stop).astype(np.float32)

    def _fingerprint(self, sha: hashlib._Hash) -> None:
        sha.update(bytes(self._digest.read()).hex().encode())
        if self.true_labels is not None:
            sha.update(self.true_labels.tobytes())


class H5Split(FileSplit):
    """Images in an HDF5 file."""

    kind = "images"


class NpzSplit(FileSplit):
    """Images in an .npz file of NumPy's."""

    kind = "npz"


class FolderSplit(FileSplit):
    """Image files in a folder for each class."""

    kind = "folder"
