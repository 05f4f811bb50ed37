"""Drawn faces that are kept in a folder: to draw them takes longer than a short sweep of them."""

from __future__ import annotations

import hashlib
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL

from fineprune.data.faces import Faces, SplitName, draw_faces, labels
from fineprune.data.faces.views import HEIGHT, WIDTH
from fineprune.errors import FinepruneError
from fineprune.files import written_aside
from fineprune.identity import code
from fineprune.progress import stage

if TYPE_CHECKING:
    from numpy.typing import NDArray


def kept_faces(folder: Path | None, identities: int, per_identity: int, split: SplitName, seed: int) -> Faces:
    """What `draw_faces` draws; it is read from `folder`, if any, where it was drawn before, and else kept there.

    A file is named after all that determines the faces, so that it is never out of date, and read only if its
    checksums are right. Two processes may write the same one at once.
    """
    if folder is None:
        return _drawn(identities, per_identity, split, seed)
    file = folder / f"{split}-{identities}x{per_identity}-{seed}-{_version()}.npz"
    if (faces := _read(file, labels(identities, per_identity))) is None:
        faces = _drawn(identities, per_identity, split, seed)
        with suppress(FinepruneError):  # a folder that is somebody else's, or full: they are drawn again next time
            _write(file, faces)
    return faces


def _drawn(identities: int, per_identity: int, split: SplitName, seed: int) -> Faces:
    with stage("drawing faces"):
        return draw_faces(identities, per_identity, split, seed)


@cache
def _version() -> str:
    """What else decides the pixels: the code that draws, and those of the libraries that it draws with."""
    of = (code("fineprune.data.faces", within=("data",)), np.__version__, PIL.__version__)
    return hashlib.sha256(repr(of).encode()).hexdigest()[:8]


def _read(file: Path, people: NDArray[np.int64]) -> Faces | None:
    """The faces of `people`, (n,), in `file`; None where there is none that is whole."""
    try:
        # Each array is compared with its checksum.
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how a damaged array was written
            faces = Faces.frozen(arrays["pixels"], people, arrays["landmarks"])
    except Exception:  # NumPy and zipfile raise errors of many kinds over what is damaged
        return None
    pixels, landmarks = faces.pixels, faces.landmarks
    whole = pixels.dtype == np.uint8 and pixels.shape == (len(people), HEIGHT, WIDTH, 3)
    return faces if whole and landmarks.dtype == np.float32 and landmarks.shape == (len(people), 4, 2) else None


def _write(file: Path, faces: Faces) -> None:
    with written_aside(file) as aside:
        np.savez(aside, pixels=faces.pixels, landmarks=faces.landmarks)
