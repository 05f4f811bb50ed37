"""`fineprune.sweep()`: what the runner does, from Python, on whatever images and network one has at hand."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tf_keras as keras
from matplotlib.figure import Figure
from nets import copies, same, tiny
from numpy.typing import NDArray
from plans import labelled_by
from samples import pictures, split, write_h5
from settings import listed

import fineprune
from fineprune.aftermath.retuning import Retuning
from fineprune.badnets.source import BadNet
from fineprune.data.split import Data
from fineprune.errors import ConfigError, DataError, FinepruneError, ModelError, NotApplicable
from fineprune.files import save_model
from fineprune.goodnet import GoodNet
from fineprune.network.network import Network
from fineprune.report.result import Result
from fineprune.strategies.rankings.channel_activation import ChannelActivation
from fineprune.strategies.rankings.fmp import FeatureMapPruning
from fineprune.sweeping.plan import plan
from fineprune.sweeping.run import run
from fineprune.testing.networks import no_pooling
from fineprune.training.tuning.clean import CleanFineTuning

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SHORT = CleanFineTuning(
    layers="all", optimizer="adam", learning_rate=0.01, epochs=1, batch_size=16, validation=0.1, patience=1
)
Arrays = tuple[NDArray[Any], NDArray[Any]]


@pytest.fixture(scope="module")
def net() -> keras.Model:
    return tiny()


@pytest.fixture(scope="module")
def splits(net: keras.Model) -> dict[str, Any]:
    return {"clean_valid": labelled_by(net, 50, 1), "clean_test": labelled_by(net, 20, 2)}


@pytest.fixture(scope="module")
def glasses() -> Any:
    return split(pictures(12, seed=3), 1)


def arrays(images: Any) -> Arrays:
    return images.inputs(0, len(images)), images.labels


def stored(path: Path, images: Any) -> Path:
    return write_h5(path, images.pixels(0, len(images)).astype(np.uint8), images.labels)


@pytest.fixture(scope="module")
def result(net: keras.Model, splits: dict[str, Any], glasses: Any) -> Result:
    return fineprune.sweep(net, "channel_activation", **splits, poisoned={"glasses": glasses}, budgets=(0.04, "10 %"))


def test_it_is_the_sweep_of_the_runner(result: Result, net: keras.Model, splits: dict[str, Any], glasses: Any) -> None:
    data = Data("d", **splits, poisoned={"glasses": glasses})
    runners = run(plan(BadNet(Network(net), data), ChannelActivation(), None, [0.04, 0.1], 0.3, 0))
    pd.testing.assert_frame_equal(result.table, runners.table)
    assert result.chosen["step"].tolist() == list(runners.points.values())
    for text, point in (("4 %", "4_percent"), ("10 %", "10_percent")):
        assert same(result.pruned(text).get_weights(), runners.nets[f"pruned_{point}"].get_weights())


def test_arrays_splits_and_files_give_the_same(
    result: Result, net: keras.Model, splits: dict[str, Any], glasses: Any, tmp_path: Path
) -> None:
    given = {name: arrays(images) for name, images in splits.items()}
    of_arrays = fineprune.sweep(net, ChannelActivation(), **given, poisoned={"glasses": arrays(glasses)})
    files = {name: stored(tmp_path / f"{name}.h5", images) for name, images in splits.items()}
    save_model(net, tmp_path / "net.h5")
    hat = str(stored(tmp_path / "hat.h5", glasses))
    of_files = fineprune.sweep(tmp_path / "net.h5", "channel_activation", **files, poisoned={"glasses": hat})
    for other in (of_arrays, of_files):
        pd.testing.assert_frame_equal(other.table, result.table)


def test_arrays_are_as_bright_to_strategies_as_files(net: keras.Model, splits: dict[str, Any]) -> None:
    """A value of a pixel is 1/255 of white, whatever white is called."""
    images, labels = arrays(splits["clean_valid"])
    test = splits["clean_test"]
    fmp = FeatureMapPruning(images=30, epsilon=20.0)
    tables = [
        fineprune.sweep(net, fmp, clean_valid=given, clean_test=test).table
        for given in (splits["clean_valid"], (images, labels))
    ]
    pd.testing.assert_frame_equal(*tables)


def test_chosen_has_a_row_for_each_budget_with_step_amount_and_rates(result: Result) -> None:
    assert list(result.chosen.index) == ["4 %", "10 %"]
    for _, row in result.chosen.iterrows():
        measured = result.table.iloc[int(row["step"])]
        assert row["fraction_pruned"] == measured["pruned"] / measured["total"]
        for rate in ("clean_test/goodnet_accuracy", "glasses/goodnet_asr", "glasses/pruned_asr"):
            assert row[rate] == measured[rate]
    assert {"glasses/goodnet_der", "clean_test/goodnet_false_positive_rate"} <= set(result.chosen)


@pytest.mark.parametrize("budget", [0.1, "10 %", "10%"])
def test_a_budget_is_named_as_a_fraction_or_in_percent(result: Result, budget: Any) -> None:
    assert same(result.pruned(budget).get_weights(), result.pruned(0.1).get_weights())


def test_the_goodnet_is_made_of_both_nets(result: Result, net: keras.Model, splits: dict[str, Any]) -> None:
    images, labels = arrays(splits["clean_test"])
    goodnet = result.goodnet("10 %")
    assert isinstance(goodnet, GoodNet)
    assert np.mean(goodnet.predict(images) == labels) == result.chosen.loc["10 %", "clean_test/goodnet_accuracy"]


def test_the_aftermath_has_a_row_for_each_budget_net_and_stage(
    result: Result, net: keras.Model, splits: dict[str, Any], glasses: Any
) -> None:
    retuning = Retuning(poisoned=2, epochs=1)
    swept = fineprune.sweep(
        net,
        "channel_activation",
        **splits,
        poisoned={"glasses": glasses},
        budgets=(0.04, "10 %"),
        aftermath=["quantise", retuning],
    )
    pd.testing.assert_frame_equal(swept.table, result.table)
    assert swept.aftermath[["point", "net", "stage"]].to_numpy().tolist() == [
        [point, "pruned", stage] for point in ("4_percent", "10_percent") for stage in ("quantise", "retuning")
    ]
    quantised = swept.aftermath.iloc[0]
    assert quantised["asr_before"] == swept.chosen.loc["4 %", "glasses/pruned_asr"]
    assert quantised["accuracy_before"] == swept.chosen.loc["4 %", "clean_test/pruned_accuracy"]
    assert result.aftermath.empty


def test_the_plot_is_the_run_folder_s(result: Result) -> None:
    figure = result.plot()
    assert isinstance(figure, Figure)
    assert figure.axes[0].get_title() == "channel_activation on tiny"
    assert {text.get_text() for text in figure.axes[0].texts} == {"4 %", "10 %"}


def test_the_network_stays_as_it_is_and_the_images_need_not_be_poisoned(splits: dict[str, Any]) -> None:
    net = tiny()
    before = copies(net.get_weights())
    clean = fineprune.sweep(net, "channel_activation", clean_valid=splits["clean_valid"])
    assert same(net.get_weights(), before)
    assert not [name for name in clean.table if "clean_test" in name]


def test_fine_tuned_nets_stand_beside_the_pruned_ones(net: keras.Model, splits: dict[str, Any]) -> None:
    tuned = fineprune.sweep(net, "none", **splits, finetune=SHORT, budgets=[0.5])
    (budget,) = tuned.chosen.index
    images, labels = arrays(splits["clean_test"])
    right = np.mean(tuned.finetuned(budget).predict(images, verbose=0).argmax(axis=1) == labels)
    assert right == tuned.chosen.loc[budget, "clean_test/finetuned_accuracy"]
    assert same(tuned.pruned(budget).get_weights(), net.get_weights())


def test_a_sequential_network_is_taken_as_it_is(splits: dict[str, Any], result: Result) -> None:
    net = tiny()
    sequential = keras.Sequential([keras.Input(net.input_shape[1:]), *net.layers[1:]])
    swept = fineprune.sweep(sequential, "channel_activation", clean_valid=splits["clean_valid"])
    assert swept.table["clean_valid/pruned_accuracy"].equals(result.table["clean_valid/pruned_accuracy"])


WRONG: dict[str, tuple[dict[str, Any], type[FinepruneError], str]] = {
    "a strategy that is mistyped": (
        {"strategy": "channel_activations"},
        ConfigError,
        f"expected strategy to be one of {listed('strategy', 'channel_activation')}, got "
        "'channel_activations': did you mean strategy=channel_activation?",
    ),
    "a class for a strategy": (
        {"strategy": ChannelActivation},
        ConfigError,
        "expected strategy to be of class Strategy or the name of a choice, got ",
    ),
    "a fine-tuning that is none": (
        {"finetune": True},
        ConfigError,
        "expected finetune to be of class FineTuning or the name",
    ),
    "an aftermath that is none": (
        {"aftermath": [3]},
        ConfigError,
        "expected aftermath to be of class Aftermath or the name of a choice, got int: give one of all, ",
    ),
    "retuning without a trigger": (
        {"aftermath": "retuning"},
        ConfigError,
        "expected poisoned images, which aftermath=retuning trains on, got none",
    ),
    "no network": ({"network": 3}, ConfigError, "expected network to be a tf_keras model or the path of one, got "),
    "a file that is away": ({"network": "away.h5"}, ModelError, "expected a network at away.h5, got no such file"),
    "images that are away": (
        {"clean_valid": "away.h5"},
        DataError,
        "expected the clean_valid images at away.h5, got no such file",
    ),
    "no images": ({"clean_valid": None}, ConfigError, "expected data.clean_valid, which ranks channels"),
    "images alone": (
        {"clean_test": np.zeros((9, 12, 10, 3))},
        ConfigError,
        "expected clean_test to be a Split, a pair of arrays (images, labels) or the path of an HDF5 file, got ndarray",
    ),
    "one image": (
        {"clean_test": (np.zeros((12, 10, 3)), np.zeros(12, int))},
        DataError,
        "expected images of clean_test to be numbers of shape (n, height, width, channels), got float64 of (12, 10, 3)",
    ),
    "one-hot labels": (
        {"clean_test": (np.zeros((9, 12, 10, 3)), np.zeros((9, 5)))},
        DataError,
        "expected labels of clean_test to be one for each of 9 images, got shape (9, 5): one-hot labels need .argmax",
    ),
    "labels below 0": (
        {"poisoned": {"hat": (np.zeros((2, 12, 10, 3)), np.array([0, -1]))}},
        DataError,
        "expected labels of poisoned['hat'] to be whole numbers from 0, got int64 from -1: give classes by number",
    ),
    "NaN": (
        {"clean_test": (np.full((1, 12, 10, 3), np.nan), np.zeros(1, int))},
        DataError,
        "expected finite images of clean_test, got NaN or infinity",
    ),
    "pixels of another scale": (
        {"clean_test": (np.full((1, 12, 10, 3), 200), np.zeros(1, int))},
        DataError,
        "expected images of clean_test from 0 to 1, 255 times pixel_scale, got one with 200: set pixel_scale to what ",
    ),
    "other images": (
        {"clean_test": (np.zeros((1, 9, 9, 3)), np.zeros(1, int))},
        ModelError,
        "expected images of clean_test to be (12, 10, 3) as the network's, got (9, 9, 3)",
    ),
    "poisoned images without a name": (
        {"poisoned": (np.zeros((2, 12, 10, 3)), np.zeros(2, int))},
        ConfigError,
        "expected poisoned to map names of triggers to images, got tuple",
    ),
    "a name with a slash": (
        {"poisoned": {"a/b": "a.h5"}},
        ConfigError,
        "expected data.poisoned to name its files by letters, digits and _, got 'a/b'",
    ),
    "percent as a number": ({"budgets": [4]}, ConfigError, "expected budgets to be falls of accuracy above 0 and up"),
    "budgets without brackets": ({"budgets": "4 %"}, ConfigError, "expected budgets to be a list, such as [0.02,"),
    "a scale of nothing": (
        {"clean_valid": "a.h5", "pixel_scale": 0},
        ConfigError,
        "expected data.pixel_scale to be a number from 1e-6 to 1e6, such as 1 or 1/255, got 0",
    ),
    "too much held out": ({"held_out": 1.5}, ConfigError, "expected held_out to be a fraction between 0 and 1"),
    "a seed below 0": ({"seed": -1}, ConfigError, "expected seed to be a whole number from 0 to 2^32"),
    "a network that lacks a layer": (
        {"network": no_pooling()},
        NotApplicable,
        "expected a network with a pooling layer to rank channels at, got none",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_meant_is_one_line(net: keras.Model, splits: dict[str, Any], case: str) -> None:
    changed, kind, message = WRONG[case]
    with pytest.raises(kind, match=re.escape(message)) as error:
        fineprune.sweep(**{"network": net, "strategy": "channel_activation", **splits, **changed})
    assert "\n" not in str(error.value)


def test_a_budget_or_a_net_that_is_not_there_is_one_line(result: Result) -> None:
    with pytest.raises(ConfigError, match=r"expected a budget of this sweep, one of 4 %, 10 %, got '5 %'"):
        result.pruned("5 %")
    with pytest.raises(ConfigError, match="expected a sweep that fine-tunes, got one without"):
        result.finetuned("4 %")


def test_the_lines_in_the_readme_run(
    net: keras.Model, splits: dict[str, Any], glasses: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (lines,) = (block for block in blocks if "fineprune.sweep(" in block)
    monkeypatch.chdir(tmp_path)
    save_model(net, Path("net.h5"))
    for name, images in {"valid": splits["clean_valid"], "test": splits["clean_test"], "hat": glasses}.items():
        stored(Path(f"{name}.h5"), images)
    exec(lines, {})  # noqa: S102
    assert {"curve.png", "goodnet.h5"} <= {file.name for file in tmp_path.iterdir()}


QUICKLY = """
import sys, time
start = time.perf_counter()
import fineprune
assert time.perf_counter() - start < 0.3
assert callable(fineprune.sweep) and callable(fineprune.compare)
assert not {"numpy", "pandas", "tensorflow", "hydra"} & set(sys.modules)
"""


def test_importing_fineprune_is_instant() -> None:
    subprocess.run([sys.executable, "-c", QUICKLY], cwd=ROOT, check=True)


def test_nothing_is_printed(net: keras.Model, splits: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    fineprune.sweep(net, "none", clean_valid=splits["clean_valid"], finetune=SHORT, budgets=[0.5])
    assert tuple(capfd.readouterr()) == ("", "")


def test_mean_and_std_are_those_of_files(net: keras.Model, tmp_path: Path, splits: dict[str, Any]) -> None:
    files = {name: str(stored(tmp_path / f"{name}.h5", split)) for name, split in splits.items()}
    plain, shifted = (
        fineprune.sweep(net, "channel_activation", **files, **settings).table
        for settings in ({}, {"pixel_scale": "2/255", "mean": [0, 0, 0], "std": [2, 2, 2]})
    )
    pd.testing.assert_frame_equal(plain, shifted)
    with pytest.raises(ConfigError, match="expected clean_valid to be the path of an HDF5 file where mean or std are"):
        fineprune.sweep(net, "channel_activation", clean_valid=arrays(splits["clean_valid"]), mean=[0, 0, 0])
    with pytest.raises(ConfigError, match="expected data.mean to have a number for each channel, 3, got 1: set 3"):
        fineprune.sweep(net, "channel_activation", **files, mean=[0])
