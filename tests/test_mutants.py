"""Thousands of valid files with something changed in them: each is opened, or refused in one line.

FINEPRUNE_MUTATIONS is how many; each has a number, which is told of those that come to another end.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import tf_keras as keras
from samples import pictures
from tf_keras import layers

from fineprune.model_files import save_model

pytestmark = pytest.mark.slow

PATHS = os.pathsep.join([str(Path(__file__).parent.parent), str(Path(__file__).parent)])
COUNT = int(os.environ.get("FINEPRUNE_MUTATIONS", "2000"))


@pytest.fixture
def original(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "original.h5"
    if request.param == "model":
        image = layers.Input((4, 4, 3))
        x = layers.Flatten()(layers.MaxPooling2D()(layers.Conv2D(2, 2, activation="relu")(image)))
        save_model(keras.Model(image, layers.Dense(3, activation="softmax")(x)), path)
    else:
        with h5py.File(path, "w", libver="latest" if request.param == "new images" else None) as file:
            data = pictures(6).transpose(0, 3, 1, 2)
            file.create_dataset("data", data=data, chunks=(2, 3, 12, 10), compression="gzip", shuffle=True)
            file["label"] = np.arange(6)
    return path


def ends(kind: str, original: Path, count: int) -> Iterator[str]:
    """What became of each mutant; one that took its process down is told, and the others go on."""
    first = 0
    while first < count:
        last = min(first + 500, count)
        command = [sys.executable, "-m", "mutants", kind, original, original.with_name("mutant.h5"), first, last]
        environment = os.environ | {"PYTHONPATH": PATHS}
        done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
        lines = [line.partition(" ") for line in done.stdout.splitlines()]
        for number, _, end in lines:
            yield end if end in ("opened", "refused") else f"{number}: {end or f'exit status {done.returncode}'}"
        assert lines, done.stderr[-2000:]
        first = int(lines[-1][0]) + 1


@pytest.mark.parametrize(
    ("kind", "original", "share"),
    [("model", "model", 0.3), ("images", "old images", 0.35), ("images", "new images", 0.35)],
    indirect=["original"],
)
def test_each_is_opened_or_refused_in_one_line(kind: str, original: Path, share: float) -> None:
    found = Counter(ends(kind, original, round(COUNT * share)))
    assert found.pop("opened") > 0
    assert found.pop("refused") > 0
    assert not found
