"""Labelled images in HDF5 files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py

from fineprune.errors import DataError
from fineprune.untrusted.hdf5 import blocks, dataset, open_hdf5, read_rows
from fineprune.untrusted.images import arrays
from fineprune.untrusted.images.reading import Reading, Stored

if TYPE_CHECKING:
    from fineprune.untrusted.vetting import Handover

DEFAULT = Reading()


def read(path: str, what: str, handover: Handover, reading: Reading = DEFAULT) -> None:
    """Check the whole file, and hand over its images; see `arrays.hand_over`. Raises DataError."""
    file = open_hdf5(path, DataError, what)

    def stored(name: str) -> Stored:
        found = dataset(file, name.removeprefix("/"), DataError)
        return Stored(
            name,
            found.shape,
            found.dtype,
            lambda: (read_rows(found, rows, DataError) for rows in blocks(found, 2**20)),
        )

    arrays.hand_over(
        stored, lambda name: isinstance(file.get(name, getlink=True), h5py.HardLink), reading, path, handover
    )
