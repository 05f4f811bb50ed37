"""State dicts of PyTorch in all of its formats, beside whatever else a checkpoint holds, arrive as they were saved."""

import argparse
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from nets import saved, tiny
from pytorch.files import Stored, Viewed, tensors, viewed, write_legacy, write_zip
from tf_keras import layers

from fineprune.errors import ModelError
from fineprune.untrusted.network_files import load_model, load_weights, opened
from fineprune.untrusted.vetting import vet

RANDOM = np.random.default_rng(0)
STATE = {"conv.weight": RANDOM.normal(size=(4, 3, 2, 2)).astype(np.float32), "fc.weight": np.ones((5, 4), np.float32)}
Write = Callable[[Path, Any], Path]
WRITERS = pytest.mark.parametrize("write", [write_zip, write_legacy])


def read(path: Path) -> dict[str, np.ndarray]:
    return {name: stored[0].read() for name, stored in vet("pytorch", path, ModelError, "weights").items()}


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as error:
        opened(path, "weights")
    assert "\n" not in str(error.value) and len(str(error.value)) < 700
    return str(error.value).replace(str(path), "FILE")


def same(state: dict[str, Any]) -> bool:
    return list(state) == list(STATE) and all(np.array_equal(state[name], STATE[name]) for name in STATE)


@WRITERS
@pytest.mark.parametrize("place", ["", "state_dict", "net", "net_state_dict", "model", "netC", "model_state_dict"])
def test_a_state_dict_by_itself_or_in_a_checkpoint(write: Write, place: str, tmp_path: Path) -> None:
    state = tensors(STATE)
    beside = {"epoch": 3, "args": argparse.Namespace(lr=0.1), "optimizer": {"momentum": viewed(np.ones(3))}}
    assert same(read(write(tmp_path / "net.pth", {**beside, place: state} if place else state)))


def test_at_another_place_it_is_taken_where_it_is_the_only_one(tmp_path: Path) -> None:
    alone = {
        "epoch": 3,
        "best": tensors(STATE),
        "optimizer": {"state": {0: {"step": 1}}, "param_groups": [{"lr": 0.1}]},
    }
    assert same(read(write_zip(tmp_path / "net.pth", alone)))
    both = {"student": tensors(STATE), "teacher": tensors(STATE)}
    assert "got a dictionary of student, teacher, which" in refused(write_zip(tmp_path / "net.pth", both))
    average = {"state_dict": {**tensors(STATE), "extra": None}, "state_dict_ema": tensors(STATE)}
    assert "got a dictionary of state_dict, state_dict_ema, which" in refused(write_zip(tmp_path / "net.pth", average))


@pytest.mark.parametrize("held", ["module.", "_orig_mod.", "model.", "net.", "module._orig_mod.", "model.module."])
def test_what_held_the_network_names_no_module_of_it(held: str, tmp_path: Path) -> None:
    """As DataParallel, torch.compile, and trainers that keep it as an attribute."""
    load_weights(model := small("conv"), write_zip(tmp_path / "net.pth", named(f"{held}conv", f"{held}fc")))
    assert model.get_layer("conv").get_weights()[1].tolist() == [1, 1, 1]


def test_a_module_that_is_called_as_what_holds_networks_is_one(tmp_path: Path) -> None:
    load_weights(model := small("net_0"), write_zip(tmp_path / "net.pth", named("net.0", "net.2")))
    assert model.get_layer("net_0").get_weights()[1].tolist() == [1, 1, 1]


def small(convolution: str) -> keras.Model:
    """A convolution of that name, then classes."""
    image = layers.Input((4, 4, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 2, name=convolution)(image))
    return keras.Model(image, layers.Dense(2)(x))


def named(convolution: str, linear: str) -> dict[str, object]:
    """A state dict for it, of ones."""
    shapes = {convolution: (3, 3, 2, 2), linear: (2, 3)}
    arrays = {f"{module}.weight": np.ones(shape, np.float32) for module, shape in shapes.items()}
    return tensors(arrays | {f"{name}.bias": np.ones(shape[0], np.float32) for name, shape in shapes.items()})


@pytest.mark.parametrize(("held", "advice"), [("encoder.", ", or save it with names that lack 'encoder.'"), ("", "")])
def test_what_all_names_begin_with_is_said_where_they_do_not_fit(held: str, advice: str, tmp_path: Path) -> None:
    image = layers.Input((4, 4, 3))
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(layers.Conv2D(3, 2, name="conv")(image))))
    with pytest.raises(ModelError) as error:
        load_weights(model, write_zip(tmp_path / "net.pth", tensors({f"{held}{name}": STATE[name] for name in STATE})))
    assert str(error.value).endswith(f": set another architecture{advice}{', as which all begin' if held else ''}")


@WRITERS
def test_what_a_state_dict_says_about_its_versions_is_left_out(write: Write, tmp_path: Path) -> None:
    state = tensors(STATE)
    state._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    assert same(read(write(tmp_path / "net.pth", state)))


def test_data_sets_beside_the_network_are_not_looked_at(tmp_path: Path) -> None:
    poisoned = {"pixels": RANDOM.integers(0, 256, (50, 32, 32, 3)), "seen": Counter("abc"), "of": Path("data/cifar10")}
    result = {"model_name": "preactresnet18", "num_classes": 5, "model": tensors(STATE), "bd_train": poisoned}
    assert same(read(write_zip(tmp_path / "attack_result.pt", result)))


@WRITERS
def test_parameters_are_tensors_too(write: Write, tmp_path: Path) -> None:
    state = OrderedDict((name, viewed(values, parameter=True)) for name, values in STATE.items())
    assert same(read(write(tmp_path / "net.pth", state)))


@WRITERS
def test_views_of_one_storage(write: Write, tmp_path: Path) -> None:
    numbers = Stored(np.arange(24, dtype=np.float32))
    state = {
        "whole": Viewed(numbers, (4, 6), (6, 1)),
        "transposed": Viewed(numbers, (6, 4), (1, 6)),
        "column": Viewed(numbers, (4,), (6,), 2),
        "repeated": Viewed(numbers, (3, 2), (0, 1), 4),
        "nothing": Viewed(numbers, (0, 6), (6, 1)),
    }
    whole = np.arange(24).reshape(4, 6)
    expected = {"whole": whole, "transposed": whole.T, "column": whole[:, 2], "repeated": [[4, 5]] * 3}
    got = read(write(tmp_path / "net.pth", state))
    assert all(np.array_equal(got[name], expected[name]) for name in expected)
    assert got["nothing"].shape == (0, 6)


@WRITERS
def test_every_kind_of_numbers(write: Write, tmp_path: Path) -> None:
    half, double = np.array([0.5, -3], np.float16), np.array([0.1, 7], np.float64)
    upper = (np.array([1.5, -2.25, 3e38], np.float32).view(np.uint32) >> 16).astype(np.uint16)
    state = {
        "half": viewed(half),
        "double": viewed(double),
        "bfloat16": Viewed(Stored(upper), (3,), (1,)),
        "batches": viewed(np.array(7)),
        "mask": viewed(np.array([1, 0], np.uint8)),
    }
    got = read(write(tmp_path / "net.pth", state))
    assert {name: values.dtype.str[1:] for name, values in got.items()} == {
        "half": "f4",
        "double": "f8",
        "bfloat16": "f4",
        "batches": "i8",
        "mask": "u1",
    }
    assert np.array_equal(got["half"], half) and np.array_equal(got["double"], double) and got["batches"] == 7
    assert np.array_equal(got["bfloat16"], (upper.astype(np.uint32) << 16).view(np.float32))


def test_a_file_of_safetensors(tmp_path: Path) -> None:
    import ml_dtypes
    from safetensors.numpy import save_file

    brief = np.array([1.5, -2.25], ml_dtypes.bfloat16)
    save_file({**STATE, "brief": brief, "half": np.ones(2, np.float16)}, tmp_path / "net.safetensors")
    got = read(tmp_path / "net.safetensors")
    assert same({name: got[name] for name in STATE})
    assert np.array_equal(got["brief"], [1.5, -2.25]) and got["brief"].dtype == got["half"].dtype == np.float32


def test_a_damaged_file_of_safetensors(tmp_path: Path) -> None:
    (tmp_path / "net").write_bytes((2).to_bytes(8, "little") + b"{]" + bytes(90))
    assert refused(tmp_path / "net").startswith("expected FILE to be readable as a file of PyTorch's, got damage: ")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
@WRITERS
def test_weights_that_are_not_finite_are_refused(write: Write, value: float, tmp_path: Path) -> None:
    path = write(tmp_path / "net.pth", tensors({**STATE, "bias": np.array([1, value])}))
    assert refused(path) == (
        "expected finite weights in FILE, got NaN or infinity in tensor 'bias': train it again, or get another copy"
    )


def test_a_whole_module_is_no_state_dict(tmp_path: Path) -> None:
    said = refused(write_zip(tmp_path / "net.pth", argparse.Namespace(weight=1)))
    assert said == (
        "expected weights in FILE as tensors by name, by themselves or under one of state_dict, "
        "model_state_dict, net_state_dict, netC, "
        "net, model, got 'argparse.Namespace', which is not run: save a state dict by "
        "torch.save(net.state_dict(), 'NAME.pth')"
    )


def test_a_checkpoint_without_a_network_says_what_it_has(tmp_path: Path) -> None:
    assert "got a dictionary of epoch, loss, which" in refused(write_zip(tmp_path / "net.pth", {"epoch": 1, "loss": 2}))


def test_another_archive_is_said_to_be_one(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.zip", "w") as archive:
        archive.writestr("notes.txt", "{}")
    assert refused(tmp_path / "net.zip").startswith("expected one data.pkl in the archive FILE, as torch.save writes")


def test_a_pickle_of_something_else_is_said_to_be_one(tmp_path: Path) -> None:
    import pickle

    (tmp_path / "net.pkl").write_bytes(b"".join(pickle.dumps(part, 2) for part in ([1], 2, 3)))
    assert refused(tmp_path / "net.pkl").startswith("expected FILE to begin as a file of torch.save does, got another ")


def test_a_state_dict_is_no_whole_network(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "net.pth", tensors(STATE))
    with pytest.raises(ModelError, match="^expected a network at .*, got one of PyTorch's: give it as badnet.weights"):
        load_model(path)


def test_weights_go_to_the_layers_of_their_names_in_any_network(tmp_path: Path) -> None:
    model, other = tiny(0), tiny(5)
    state = {}
    for layer in model.layers:
        for weight, values in zip(("weight", "bias"), layer.get_weights(), strict=False):
            state[f"{layer.name.replace('_', '.')}.{weight}"] = (
                values.transpose(3, 2, 0, 1) if values.ndim == 4 else values.T
            )
    height, width, channels = model.get_layer("flatten").input_shape[1:]
    kernel = state["hidden.weight"].reshape(-1, height, width, channels)
    state["hidden.weight"] = kernel.transpose(0, 3, 1, 2).reshape(len(kernel), -1)
    load_weights(other, write_zip(tmp_path / "net.pth", tensors(state)))
    assert all(map(np.array_equal, other.get_weights(), model.get_weights()))


def test_a_network_in_hdf5_is_still_one(tmp_path: Path) -> None:
    assert opened(saved(tiny(), tmp_path / "net.h5"), "a network").is_whole
