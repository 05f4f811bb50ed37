"""Folders of SavedModels: read where Keras describes the network in them, without their graph."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from nets import OfItsOwn, in_a_folder, residual, seeded, tiny
from test_archives import branches, many_kinds, nested, pixels, refused, sequential

from fineprune.untrusted.network_files import load_model


@pytest.mark.slow
@pytest.mark.parametrize("build", [tiny, residual, sequential, many_kinds, branches, nested])
def test_a_network_that_keras_describes(build: Callable[[], keras.Model], tmp_path: Path) -> None:
    model = seeded(build())
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(pixels(), np.arange(9) % 5, verbose=0)
    scores = load_model(in_a_folder(model, tmp_path / "net")).predict(pixels(), verbose=0)
    expected = model.predict(pixels(), verbose=0)
    assert scores == pytest.approx(expected, abs=1e-5)
    assert np.array_equal(scores.argmax(1), expected.argmax(1))


def test_a_graph_alone_is_not_run(tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "net"))
    assert refused(tmp_path / "net") == (
        "expected a network at FILE that says of which layers it is, got a SavedModel's graph, which is not run: save "
        "it by model.save('NAME.keras') in the program that has the Keras network"
    )


def test_a_network_of_a_class_of_its_own(tmp_path: Path) -> None:
    message = refused(in_a_folder(OfItsOwn(), tmp_path / "net"))
    assert message.startswith(
        "expected a network in FILE that Keras describes layer by layer, got one of a class of its "
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return in_a_folder(tiny(), tmp_path_factory.mktemp("saved") / "net")


DAMAGE = "expected FILE to be readable, got damage: "


@pytest.mark.parametrize("name", ["keras_metadata.pb", "variables/variables.index"])
@pytest.mark.parametrize("part", [0.1, 0.5])
@pytest.mark.slow
def test_half_a_file_is_one_line(folder: Path, tmp_path: Path, name: str, part: float) -> None:
    copy = shutil.copytree(folder, tmp_path / "net")
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: int(len(content) * part)])
    assert refused(copy).startswith(DAMAGE)


def test_variables_that_are_not_there_are_one_line(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "net")
    (copy / "variables" / "variables.data-00000-of-00001").write_bytes(b"")
    assert refused(copy).startswith(f"{DAMAGE}a tensor of ")


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "net")
    (copy / "keras_metadata.pb").unlink()
    (copy / "keras_metadata.pb").symlink_to(folder / "keras_metadata.pb")
    assert refused(copy).startswith(f"{DAMAGE}a link, a folder, a pipe or a device")


def test_nor_is_one_in_the_place_of_the_folder_of_variables(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "net")
    shutil.move(copy / "variables", tmp_path / "elsewhere")
    (copy / "variables").symlink_to(tmp_path / "elsewhere")
    assert "got a link, which is not followed: copy the folder" in refused(copy)
