"""Labelled images in HDF5 files, which may come from strangers, read block by block."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fineprune.data.split import Images, Split
from fineprune.errors import DataError
from fineprune.progress import stage
from fineprune.untrusted.hdf5 import check_is_file, check_state, state
from fineprune.untrusted.image_files import StoredImages
from fineprune.untrusted.vetting import vet


class H5Split(Split):
    """A file in the competition's layout, which was first read whole in a process of its own.

    `name` is what messages call it. Raises DataError where the file is missing, damaged or of another layout, and when
    it changes while it is in use.
    """

    def __init__(self, path: str | Path, scale: float, name: str) -> None:
        check_is_file(path, DataError, f"the {name} images")
        self.scale, self._path, self._state = scale, Path(path), state(path)
        with stage(f"reading {name}"):
            self._digest: str = vet("images", path, DataError, name)["digest"]
        self._stored = StoredImages(path, name)
        self.labels = self._stored.labels

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._stored.shape

    def pixels(self, start: int, stop: int) -> Images:
        block = self._stored.pixels(start, stop)
        check_state(self._path, self._state, DataError)
        return block

    def _fingerprint(self, sha: hashlib._Hash) -> None:
        sha.update(self._digest.encode())
