"""Fixtures: networks that are small, with random weights from a fixed seed, and images to show them."""

import os
from pathlib import Path

# As many processes test at a time as there are cores, or more: TensorFlow's threads would only wait for each other.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import fineprune  # noqa: F401  chooses Keras 2, so it stands before anything that imports TensorFlow

import published
import pytest
import tf_keras as keras
from commands import once
from nets import deepid, residual, tiny
from samples import BYTES, pictures, split

from fineprune.data.split import ArraySplit


MARKERS = ("end_to_end", "hostile", "servers")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test is of the kind that its folder is named after, unless it is marked as of another."""
    for item in items:
        folder = item.path.parent.name
        if folder in MARKERS and not any(map(item.get_closest_marker, MARKERS)):
            item.add_marker(folder)


@pytest.fixture(scope="session", params=["stand-in", "real"])
def csaw(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the competition's networks: made up here, then the published ones, where FINEPRUNE_SHARED is."""
    if request.param == "stand-in":
        return once(tmp_path_factory, "stand-ins", published.write)
    folder = os.environ.get("FINEPRUNE_SHARED")
    if not folder:
        pytest.skip("FINEPRUNE_SHARED is not set: it names the folder of the real networks")
    return Path(folder).resolve() / "csaw"


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
    monkeypatch.setattr("fineprune.data.split.BLOCK", 10)


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch, small_blocks: None) -> None:
    """Room for 25 images of the size of `pictures`, in blocks of 10."""
    monkeypatch.setattr("fineprune.data.split.MEMORY", 25 * BYTES)
