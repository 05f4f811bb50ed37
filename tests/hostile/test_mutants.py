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
import mutants
import numpy as np
import pytest
import tf_keras as keras
from commands import run
from samples import pictures, write_h5
from tf_keras import layers

from fineprune.files import save_model

ROOT = Path(__file__).parents[2]
PATHS = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
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


def opened(kind: str, how: str, original: Path, first: int, last: int) -> list[tuple[int, str]]:
    """What became of the mutants first to last, up to the one that took its process down, if one did."""
    command = [sys.executable, "-m", "mutants", kind, how, original, original.with_name("mutant.h5"), first, last]
    environment = os.environ | {"PYTHONPATH": PATHS}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
    lines = [line.partition(" ") for line in done.stdout.splitlines()]
    assert lines, done.stderr[-2000:]
    return [(int(number), end or f"exit status {done.returncode}") for number, _, end in lines]


def ends(kind: str, original: Path, count: int) -> Iterator[str]:
    """What became of each mutant. What comes to another end in a process that holds many is opened as users do it."""
    first = 0
    while first < count:
        batch = opened(kind, "here", original, first, min(first + 500, count))
        for number, end in batch:
            if end in ("opened", "refused"):
                yield end
                continue
            _, again = opened(kind, "vetted", original, number, number + 1)[0]
            yield "caught by vetting" if again in ("opened", "refused") else f"{number}: {again}, {end}"
            print(f"{kind} {number}: {end}, and {again} when it is vetted")
        first = batch[-1][0] + 1


@pytest.mark.parametrize(
    ("kind", "original", "share"),
    [("model", "model", 0.3), ("images", "old images", 0.35), ("images", "new images", 0.35)],
    indirect=["original"],
)
def test_each_is_opened_or_refused_in_one_line(kind: str, original: Path, share: float) -> None:
    counts = Counter(ends(kind, original, round(COUNT * share)))
    assert counts.pop("opened") > 0
    assert counts.pop("refused") > 0
    caught = counts.pop("caught by vetting", 0)
    assert not counts
    assert caught < 0.02 * COUNT * share


@pytest.mark.parametrize(
    ("original", "number"), [("model", number) for number in (4, 8, 12, 21)], indirect=["original"]
)
def test_the_command_ends_well_or_in_one_line(original: Path, number: int) -> None:
    folder = original.parent
    mutants.mutant(original, number, folder / "net.h5")
    write_h5(folder / "valid.h5", pictures(20, (4, 4, 3)), np.arange(20) % 3)
    given = ["badnet=h5", "badnet.model=net.h5", "data=h5", "data.clean_valid=valid.h5", "tracking=none"]
    ended = run(folder, "sweep", *given, "hydra.run.dir=out")
    if ended.status == 0:
        assert (folder / "out" / "summary.json").exists()
    else:
        assert (ended.status, ended.err.count("\n")) == (2, 1)
        assert ended.err.startswith("error: expected ")
        assert not (folder / "out").exists()
