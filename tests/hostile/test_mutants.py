"""Thousands of valid files with something changed in them: each is opened, or refused in one line.

FINEPRUNE_MUTATIONS is how many of each kind, 500 in CI. Each has a number, which is told of those that come to another
end.
"""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from commands import run
from mutants import counting, mutant
from mutants.images import LABELS, PIXELS
from samples import write_h5

COUNT = int(os.environ.get("FINEPRUNE_MUTATIONS", "100"))
IMAGES = ("old images", "new images", "npz images", "folder of images")
NETWORKS = ("network", "keras archive", "saved model", "pytorch zip", "pytorch legacy", "safetensors")
SWEPT = ("swept network", "swept keras archive", "swept saved model")
A_SWEEP = 10  # mutants are opened in the time that one takes which opens and is swept


@pytest.mark.parametrize("kind", [*IMAGES, *NETWORKS, *SWEPT])
def test_each_is_opened_or_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    count = COUNT // A_SWEEP if kind in SWEPT else COUNT
    ends = dict(counting.ends(kind, counting.made(kind, tmp_path), 0, count))
    caught = {number for number, end in ends.items() if end.startswith(counting.CAUGHT)}
    counts = Counter(end for number, end in ends.items() if number not in caught)
    assert counts.pop("opened") > 0
    assert counts.pop("refused") > 0
    assert not counts, {number: end for number, end in ends.items() if end in counts}
    assert len(caught) <= 0.02 * count


@pytest.mark.parametrize("number", [3, 4, 5, 8])
def test_the_command_ends_well_or_in_one_line(number: int, tmp_path: Path) -> None:
    mutant(counting.made("network", tmp_path), number, tmp_path / "net.h5")
    write_h5(tmp_path / "valid.h5", np.tile(PIXELS, (4, 1, 1, 1)), np.tile(LABELS, 4))
    given = ["badnet=h5", "badnet.model=net.h5", "data=h5", "data.clean_valid=valid.h5", "tracking=none"]
    ended = run(tmp_path, "sweep", *given, "hydra.run.dir=out")
    if ended.status == 0:
        assert (tmp_path / "out" / "summary.json").exists()
    else:
        assert (ended.status, ended.err.count("\n")) == (2, 1)
        assert ended.err.startswith("error: expected ")
        assert not (tmp_path / "out").exists()
