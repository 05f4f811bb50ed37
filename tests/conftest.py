"""Fixtures: networks that are small, with random weights from a fixed seed, and images to show them."""

import os
from pathlib import Path

import fineprune  # noqa: F401  chooses Keras 2, so it stands before anything that imports TensorFlow

import pytest
import tf_keras as keras
from nets import deepid, residual, tiny
from samples import pictures, split

from fineprune.splits import ArraySplit


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real networks and reference material."""
    folder = os.environ.get("FINEPRUNE_SHARED")
    if not folder:
        pytest.skip("FINEPRUNE_SHARED is not set: it names the folder of the real networks")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def csaw(shared: Path) -> Path:
    return shared / "csaw"


@pytest.fixture
def model() -> keras.Model:
    return tiny()


@pytest.fixture
def clean() -> ArraySplit:
    """23 images for `tiny` and `residual`, in three blocks where a block is 10."""
    return split(pictures(23), classes=5)


@pytest.fixture(params=[tiny, residual, deepid], ids=["tiny", "residual", "deepid"])
def any_model(request: pytest.FixtureRequest) -> keras.Model:
    return request.param()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fineprune.splits.BLOCK", 10)
