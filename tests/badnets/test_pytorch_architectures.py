"""Networks of PyTorch's: each architecture gives the scores that PyTorch gives, and refuses what does not fit."""

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tf_keras as keras
from numpy.typing import NDArray
from pytorch.files import tensors, write_legacy, write_zip
from pytorch.nets import FORWARD, Net, StateDict, as_pytorch

from fineprune.badnets.source import architecture_named, build, read_network
from fineprune.errors import ConfigError, ModelError
from fineprune.network.network import Network
from fineprune.untrusted.network_files import load_model, load_weights

# The parameters of the published networks with ten classes (torchvision's with 1000), counted in PyTorch.
PARAMETERS = {
    "preact_resnet18": 11_171_146,
    "resnet18": 11_173_962,
    "wrn_16_1": 175_066,
    "wrn_28_2": 1_467_610,
    "small_vgg": 308_394,
    "vgg16_bn": 14_728_266,
    "vgg19_bn": 20_040_522,
    "mobilenet_v2": 2_296_922,
}
NETS = {"ibau_cifar10_l0_inv": "small_vgg", "ibau_gtsrb_l2_inv": "small_vgg", "nad_wrn16_student": "wrn_16_1"}
NETS |= {"nad_wrn16_teacher": "wrn_16_1", "abl_wrn16_grid": "wrn_16_1"}
CLASSES = 7
SMALL = ("wrn_10_2", "small_vgg", "deepid")
EACH = [pytest.param(name, marks=() if name in SMALL else pytest.mark.slow) for name in FORWARD]


def loaded(state: StateDict, name: str, path: Path, size: tuple[int, int] = (32, 32)) -> keras.Model:
    return read_network(str(write_zip(path, tensors(state))), name, (*size, 3))


def scores(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def drawn(name: str, count: int = 3) -> tuple[Net, NDArray[np.float64], NDArray[np.float64]]:
    """A network with random weights, images, and its logits on them."""
    forward, size = FORWARD[name]
    net, images = Net(), np.random.default_rng(1).uniform(0, 1, (count, 3, *size))
    return net, images, forward(net, images, CLASSES)


@pytest.mark.parametrize("name", EACH)
@pytest.mark.slow
def test_it_gives_the_scores_that_pytorch_gives(name: str, tmp_path: Path) -> None:
    net, images, logits = drawn(name)
    model = loaded(net.state, name, tmp_path / "net.pth", FORWARD[name][1])
    ours = model(images.transpose(0, 2, 3, 1).astype(np.float32), training=False)
    assert np.ptp(logits, axis=1).min() > 0.1, "the classes differ, so that a wrong layout shows"
    assert np.asarray(ours) == pytest.approx(scores(logits), abs=1e-5)


@pytest.mark.parametrize(("name", "count"), PARAMETERS.items())
@pytest.mark.slow
def test_it_has_the_parameters_of_the_published_network(name: str, count: int) -> None:
    model = architecture_named(name)((32, 32, 3), 10)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == count


@pytest.mark.parametrize("name", EACH)
def test_it_can_be_pruned_and_none_of_its_layers_is_lost(name: str) -> None:
    model = architecture_named(name)((*FORWARD[name][1], 3), CLASSES)
    units = Network(model).layers("all")
    # The channels of depthwise convolutions are those of the convolution in front of them.
    kernels = [layer.name for layer in model.layers if type(layer) in (keras.layers.Conv2D, keras.layers.Dense)]
    assert set(kernels) - {"output"} == set(units)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "name"), NETS.items())
def test_published_networks_give_the_scores_of_their_hdf5_files(file: str, name: str, tmp_path: Path) -> None:
    shared = os.environ.get("FINEPRUNE_SHARED")
    if not shared:
        pytest.skip("FINEPRUNE_SHARED is not set: it names the folder of the real networks")
    theirs = load_model(Path(shared) / "nets" / f"{file}.h5")
    state = tensors(as_pytorch(theirs))
    kind = "gtsrb_roi" if "gtsrb" in file else "cifar10"
    with h5py.File(Path(shared) / kind / "test.h5") as images:
        pixels = images["data"][:200].transpose(0, 2, 3, 1).astype(np.float32) / 255
    expected = theirs.predict(pixels, verbose=0)
    archive = write_zip(tmp_path / "net.pth", {"net": state, "epoch": 3})
    row = write_legacy(
        tmp_path / "net.tar", {"state_dict": OrderedDict((f"module.{key}", state[key]) for key in state)}
    )
    for path in (archive, row):
        ours = read_network(str(path), name, (32, 32, 3)).predict(pixels, verbose=0)
        assert ours == pytest.approx(expected, abs=1e-6)
        assert np.array_equal(ours.argmax(axis=1), expected.argmax(axis=1))


def refused(state: Any, path: Path, name: str = "small_vgg") -> str:
    with pytest.raises(ModelError) as error:
        loaded(state, name, path)
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(path), "FILE")


def test_a_tensor_of_another_shape_is_named(tmp_path: Path) -> None:
    state = drawn("small_vgg", 1)[0].state
    state["features.3.weight"] = state["features.3.weight"][:, :16]
    assert refused(state, tmp_path / "net.pth") == (
        "expected 'features.3.weight' of shape (32, 32, 3, 3) for small_vgg in FILE, got (32, 16, 3, 3): "
        "set another architecture"
    )


def test_a_tensor_that_is_missing_is_named(tmp_path: Path) -> None:
    state = drawn("small_vgg", 1)[0].state
    del state["features.4.running_var"]
    assert refused(state, tmp_path / "net.pth") == (
        "expected 'features_4.running_var' of shape (32,) for small_vgg in FILE, got none: set another architecture"
    )


def test_a_tensor_too_many_is_named(tmp_path: Path) -> None:
    state = drawn("small_vgg", 1)[0].state
    assert refused({"features.40.weight": np.ones(3, np.float32), **state}, tmp_path / "net.pth") == (
        "expected only tensors that small_vgg has in FILE, got 'features.40.weight': set another architecture"
    )


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    state = drawn("small_vgg", 1)[0].state
    assert refused(state, tmp_path / "net.pth", "wrn_16_1").startswith(
        "expected 'conv1.weight' of shape (16, 3, 3, 3) for wrn_16_1 in FILE, got none: "
    )


def test_tensors_without_a_linear_layer_are_no_classifier(tmp_path: Path) -> None:
    assert refused({"conv1.weight": np.ones((3, 3, 3, 3), np.float32)}, tmp_path / "net.pth").startswith(
        "expected a linear layer of up to 65,536 classes at the end of FILE, got conv1.weight: "
    )


@pytest.mark.parametrize("name", ["wrn_17_1", "wrn_4_1", "wrn_16_0", "wrn_16"])
def test_a_wide_residual_network_that_there_is_none_of(name: str) -> None:
    with pytest.raises(ConfigError, match="^expected (architecture.depth to be 10|badnet.architecture to be one of)"):
        architecture_named(name)


def test_torchvisions_vgg_takes_images_of_two_sizes() -> None:
    with pytest.raises(ModelError, match="^expected images of 32 or 224 px for torchvision's VGG, got 2 by 2 pixels"):
        architecture_named("vgg16_bn_imagenet")((64, 64, 3), 10)


def headed(*between: keras.layers.Layer, last: str = "output") -> keras.Model:
    """Two by three pixels of four channels, flattened, `between`, and classified."""
    return keras.Sequential(
        [keras.Input((2, 3, 4)), keras.layers.Flatten(), *between, keras.layers.Dense(24, name=last)]
    )


def given_kernel(model: keras.Model, state: dict[str, NDArray[np.float32]], folder: Path) -> NDArray[np.float32]:
    load_weights(model, write_zip(folder / "net.pth", tensors(state)))
    return model.layers[-1].get_weights()[0]


@pytest.mark.parametrize("last", ["output", "fc"])
@pytest.mark.slow
def test_what_stands_between_a_flattening_and_its_dense_layer_changes_no_order(last: str, tmp_path: Path) -> None:
    rows = np.arange(24 * 24, dtype=np.float32).reshape(24, 24)
    state = {f"{last}.weight": rows, f"{last}.bias": np.arange(24, dtype=np.float32)}
    right = rows.reshape(24, 4, 2, 3).transpose(2, 3, 1, 0).reshape(24, 24)
    layers = keras.layers
    for between in ([], [layers.Dropout(0.5)], [layers.Activation("relu"), layers.Dropout(0.5)]):
        model = headed(*between, last=last)
        assert np.array_equal(given_kernel(model, state, tmp_path), right)
        assert np.array_equal(model.layers[-1].get_weights()[1], state[f"{last}.bias"])


def test_a_normalisation_of_flattened_pixels_has_their_order_too(tmp_path: Path) -> None:
    model = headed(keras.layers.BatchNormalization(name="norm"))
    row = np.arange(24, dtype=np.float32)
    state = {f"norm.{name}": row for name in ("weight", "bias", "running_mean", "running_var")}
    state |= {"output.weight": np.ones((24, 24), np.float32), "output.bias": row}
    given_kernel(model, state, tmp_path)
    right = row.reshape(4, 2, 3).transpose(1, 2, 0).ravel()
    assert all(np.array_equal(array, right) for array in model.get_layer("norm").get_weights())


def test_a_flattening_of_one_row_changes_nothing(tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((2, 3, 4)), layers.GlobalAveragePooling2D(), layers.Flatten(), layers.Dense(5, name="output")]
    )
    kernel = np.arange(20, dtype=np.float32).reshape(5, 4)
    state = {"output.weight": kernel, "output.bias": np.zeros(5, np.float32)}
    assert np.array_equal(given_kernel(model, state, tmp_path), kernel.T)


def test_a_convolution_that_pads_one_side_more_is_not_pytorchs(tmp_path: Path) -> None:
    model = build("resnet", (32, 32, 3), 5)
    with pytest.raises(ModelError, match="^expected convolutions that pad both sides alike, as PyTorch's do"):
        given_kernel(model, {"output.weight": np.zeros((5, 96), np.float32)}, tmp_path)


def test_separable_convolutions_are_not_pytorchs(tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.SeparableConv2D(4, 3), layers.Flatten(), layers.Dense(5, name="output")]
    )
    with pytest.raises(ModelError, match="^expected layers that PyTorch has .* of type SeparableConv2D: "):
        given_kernel(model, {"output.weight": np.zeros((5, 144), np.float32)}, tmp_path)
