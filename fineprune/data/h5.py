"""Labelled images in HDF5 files, which may come from strangers, read block by block."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from fineprune.data.split import Images, Split
from fineprune.errors import DataError
from fineprune.progress import stage
from fineprune.untrusted.vetting import vet


class H5Split(Split):
    """A file in the competition's layout: the images that a process of its own read from it, and checked.

    `name` is what messages call it. Raises DataError where the file is missing, damaged or of another layout.
    """

    def __init__(self, path: str | Path, scale: float, name: str) -> None:
        self.scale = scale
        with stage(f"reading {name}"):
            arrays = vet("images", path, DataError, f"the {name} images")
        (self._stored,), (labels,), (self._digest,) = arrays["data"], arrays["label"], arrays["digest"]
        self.labels = labels.read()

    @property
    def shape(self) -> tuple[int, int, int]:
        _, channels, height, width = self._stored.shape
        return height, width, channels

    def pixels(self, start: int, stop: int) -> Images:
        return self._stored.read(start, stop).transpose(0, 2, 3, 1).astype(np.float32, order="C")

    def _fingerprint(self, sha: hashlib._Hash) -> None:
        sha.update(bytes(self._digest.read()).hex().encode())
