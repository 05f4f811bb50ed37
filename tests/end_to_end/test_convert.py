"""`runners.convert`: whatever can be read becomes HDF5 that plain tf_keras loads, and nothing is overwritten."""

from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras
from commands import run
from nets import deepid, residual, same, saved, tiny
from pytorch.files import tensors, write_zip
from samples import pictures
from settings import compose

from fineprune.errors import FinepruneError
from runners.convert import convert


def state_dict(model: keras.Model) -> dict[str, np.ndarray]:
    """As PyTorch has it, of a DeepID network: kernels turned, and rows of dense layers as channels come first."""
    state = {}
    for layer in model.layers:
        if weights := layer.get_weights():
            kernel = weights[0]
            if layer.name == "fc_1":
                kernel = kernel.reshape(5, 4, 60, 160).transpose(2, 0, 1, 3).reshape(1200, 160)
            if layer.name == "fc_2":
                kernel = kernel.reshape(4, 3, 80, 160).transpose(2, 0, 1, 3).reshape(960, 160)
            state[f"{layer.name}.weight"] = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
            state[f"{layer.name}.bias"] = weights[1]
    return state


def converted(*overrides: str) -> str:
    """What is refused; empty where the file was written."""
    try:
        convert(compose(*overrides, config="convert"), Path())
    except FinepruneError as error:
        return str(error)
    return ""


def test_an_archive_becomes_hdf5(tmp_path: Path) -> None:
    residual().save(tmp_path / "net.keras")
    ended = run(tmp_path, "convert", "badnet.model=net.keras", "out=made/net.h5")
    assert ended.status == 0, ended.err
    assert ended.out == f"made/net.h5: images of 12×10×3, 5 classes, {residual().count_params()} parameters\n"
    images = pictures(9).astype(np.float32) / 255
    written = keras.models.load_model(tmp_path / "made" / "net.h5", compile=False)
    assert np.array_equal(written.predict(images, verbose=0), residual().predict(images, verbose=0))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["made", "net.h5", "net.keras"]


def test_weights_of_pytorch_become_hdf5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_zip(tmp_path / "net.pth", tensors(state_dict(deepid())))
    assert converted("badnet.weights=net.pth", "image=[55,47,3]", "out=net.h5") == ""
    assert same(keras.models.load_model(tmp_path / "net.h5", compile=False).get_weights(), deepid().get_weights())


MISTAKES = {
    "out=net.h5": "expected out to name a file that is not there yet, got net.h5: set another, or remove it",
    "out=net.pth": "expected out to name an HDF5 file, got 'net.pth': set out=NAME.h5",
    "out=other.h5 image=32": "expected image to be a list of height, width and channels, as [32,32,3] or null, got 32",
    "out=other.h5 badnet.model=null badnet.weights=weights.h5": "expected images, whose size the network takes, got ",
    "out=net.h5/other.h5": "expected to write net.h5/other.h5, got: ",
}


@pytest.mark.parametrize("settings", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(
    settings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tiny(), tmp_path / "net.h5")
    deepid().save_weights(tmp_path / "weights.h5")
    before = (tmp_path / "net.h5").read_bytes()
    assert converted("badnet.model=net.h5", *settings.split()).startswith(MISTAKES[settings])
    assert (tmp_path / "net.h5").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.h5", "weights.h5"]
