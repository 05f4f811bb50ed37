"""Keras's `.keras` archive, and an architecture alone in JSON. For the process that reads a stranger's file alone.

Names in an archive are compared, and never used as paths.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fineprune.errors import ModelError, line
from fineprune.untrusted import limits
from fineprune.untrusted.hdf5 import open_hdf5, report_damage
from fineprune.untrusted.saved import tree
from fineprune.untrusted.saved.network import hand_over_architecture

if TYPE_CHECKING:
    from fineprune.untrusted.vetting import Handover

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
PACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # as Keras writes them, and as zip programs do
PART = 2**20  # bytes that are unpacked at a time


def read(path: str, what: str, handover: Handover) -> None:
    """Hand over the architecture and the weights, by their layers' places; raises ModelError where one is wrong."""
    with _opened(path) as archive:
        with report_damage(path, ModelError), _entry(archive, CONFIG, path, limits.CONFIG_BYTES) as described:
            text = described.read(limits.CONFIG_BYTES + 1)
        hand_over_architecture(text, path, handover)
        weights = _unpacked(archive, path)
    try:
        with open_hdf5(weights, ModelError, what) as file:
            tree.read(file, handover)
    except ModelError as error:  # which calls it as HDF5 does, since it has no name
        renamed = ModelError(str(error).replace(repr(weights), f"{path}, {WEIGHTS}"))
        raise renamed from error


def read_json(path: str, what: str, handover: Handover) -> None:
    """Hand over an architecture, as `model.to_json()` describes it; raises ModelError where it is none."""
    with Path(path).open("rb") as file:
        hand_over_architecture(file.read(limits.CONFIG_BYTES + 1), path, handover)


def _opened(path: str) -> zipfile.ZipFile:
    with report_damage(path, ModelError):
        return zipfile.ZipFile(path)


def _entry(archive: zipfile.ZipFile, name: str, path: str, most: int) -> IO[bytes]:
    """The entry `name`, opened; raises ModelError where it is missing, packed otherwise, or of more than `most`."""
    if name not in archive.namelist():
        names = line(", ".join(archive.namelist()[:9])) or "nothing"
        raise ModelError(f"expected {name} in the archive {path}, as Keras writes it, got {names}: save it again")
    entry = archive.getinfo(name)
    if entry.compress_type not in PACKED:
        raise ModelError(f"expected {name} in {path} to be plain or deflated, got another compression: save it again")
    if entry.file_size > most:
        raise ModelError(
            f"expected {name} in {path} to take at most {most:,} bytes, got {entry.file_size:,}: not loaded"
        )
    return archive.open(entry)


def _unpacked(archive: zipfile.ZipFile, path: str) -> IO[bytes]:
    """The file of weights, in a temporary file without a name."""
    with report_damage(path, ModelError), _entry(archive, WEIGHTS, path, limits.ARCHIVED) as packed:
        file = tempfile.TemporaryFile()  # noqa: SIM115  open as long as it is read
        try:
            while part := packed.read(PART):
                file.write(part)
            file.flush()
        except OSError as reason:
            raise ModelError(
                f"expected room in {tempfile.gettempdir()} for {WEIGHTS} in {path}, got: "
                f"{os.strerror(reason.errno or 0)}: set TMPDIR to a folder with more room"
            ) from reason
    return file
