"""Where there is least to count with: what a sweep says then, worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tf_keras as keras
from commands import run as run_command
from nets import linear, tiny
from numpy.typing import NDArray
from samples import pictures, split, write_h5
from steps import kept
from tf_keras import layers

from fineprune.badnets.source import BadNet
from fineprune.data.files import H5Split
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, Data
from fineprune.errors import ConfigError, ModelError, NotApplicable
from fineprune.evaluation.predict import predict
from fineprune.files import save_model
from fineprune.goodnet import GoodNet
from fineprune.network.network import Network
from fineprune.strategies.controls.none import NoPruning
from fineprune.strategies.rankings.channel_activation import ChannelActivation
from fineprune.strategies.weights.magnitude_dense import MagnitudeDense
from fineprune.strategy import ChannelStrategy, Strategy
from fineprune.sweeping.plan import plan
from fineprune.sweeping.run import Sweep, run
from fineprune.training.fine_tuning import FineTuning
from fineprune.training.tuning.clean import CleanFineTuning
from fineprune.training.tuning.fst import FeatureShift


def votes(gains: list[float], classes: int) -> keras.Model:
    """Images of 1 × 1; channel c of `conv` is gains[c] times the pixel, and votes for class c (mod `classes`)."""
    image = layers.Input((1, 1, 1), name="image")
    x = layers.Conv2D(len(gains), 1, activation="relu", name="conv")(image)
    x = layers.Flatten(name="flatten")(layers.MaxPooling2D(1, name="pool")(x))
    model = keras.Model(image, layers.Dense(classes, activation="softmax", name="output")(x))
    weights = model.get_weights()
    weights[0][:] = gains
    weights[2][:] = np.eye(classes)[np.arange(len(gains)) % classes]
    model.set_weights(weights)
    return model


def shown(*pixels: int, label: int = 0) -> ArraySplit:
    return ArraySplit(np.array(pixels, np.uint8).reshape(-1, 1, 1, 1), np.full(len(pixels), label), Scaling(1.0))


def swept(
    model: keras.Model, data: Data, strategy: Strategy | None = None, budgets: tuple[float, ...] = (0.1,)
) -> Sweep:
    strategy = strategy or ChannelActivation()
    return run(plan(BadNet(Network(model), data), strategy, None, list(budgets), 0.3, 0))


def test_one_image_of_one_pixel_in_every_split() -> None:
    """The weaker channels go first; channel 2 says class 2 until it goes too: then all classes tie, and 0 wins."""
    data = Data("d", shown(10, label=2), shown(20, label=2), {"x": shown(30, label=1)})
    sweep = swept(votes([1, 2, 3], 3), data)
    assert sweep.table["clean_valid/pruned_accuracy"].tolist() == [1, 1, 1, 0]
    assert sweep.table["x/pruned_asr"].tolist() == [0, 0, 0, 0]
    assert sweep.chosen == {"10_percent": 3}
    assert sweep.table["x/goodnet_detection_rate"].tolist() == [0, 0, 0, 1]


def test_ties_are_pruned_in_the_order_of_the_channels() -> None:
    """All channels do the same: 0, 1, 2 go in turn, and the class of the first that is left wins."""
    sweep = swept(votes([1, 1, 1], 3), Data("d", shown(10, 20, 30)))
    assert sweep.labels["clean_valid"].tolist() == [[0] * 3, [1] * 3, [2] * 3, [0] * 3]
    assert [list(kept(step)["conv"]) for step in sweep.plan.steps] == [[0, 1, 1], [0, 0, 1], [0, 0, 0]]


def test_a_network_whose_channels_are_all_dead() -> None:
    """Nothing is left to lose: every step says what the BadNet says, no budget is reached, the last step is told."""
    sweep = swept(votes([0, 0, 0], 3), Data("d", shown(10, 20), None, {"x": shown(9, label=1)}))
    assert not sweep.labels["clean_valid"].any()
    assert sweep.chosen == {"10_percent": None}
    assert sweep.points == {"10_percent": 3}
    assert sweep.at(3)["x/goodnet_detection_rate"] == 0


def test_a_network_with_one_channel_and_one_class() -> None:
    data = Data("d", shown(10, 20), shown(1), {"x": shown(9)})
    sweep = swept(votes([1], 1), data)
    assert sweep.table["clean_test/pruned_accuracy"].tolist() == [1, 1]
    assert sweep.table["x/pruned_asr"].tolist() == [1, 1]
    assert sweep.table["fraction_pruned"].tolist() == [0, 1]
    assert sweep.points == {"10_percent": 1}


def test_every_budget_is_reached_at_the_first_step() -> None:
    """The only channel that says anything but class 0 is pruned first."""
    sweep = swept(votes([5, 1], 2), Data("d", shown(10, 20, label=1)), LastFirst(), (0.02, 0.5, 1.0))
    assert sweep.table["clean_valid/pruned_accuracy"].tolist() == [0, 0, 0]
    sweep = swept(votes([1, 5], 2), Data("d", shown(10, 20, label=1)), LastFirst(), (0.02, 0.5, 1.0))
    assert sweep.table["clean_valid/pruned_accuracy"].tolist() == [1, 0, 0]
    assert sweep.chosen == {"2_percent": 1, "50_percent": 1, "100_percent": 1}
    assert list(sweep.nets) == ["badnet", "pruned_2_percent", "pruned_50_percent", "pruned_100_percent"]


class LastFirst(ChannelStrategy):
    def scores(self, network: Any, clean: Any) -> dict[str, NDArray[np.float64]]:
        return {"conv": -np.arange(network.unit("conv").channels)}


def test_a_badnet_that_is_never_right_has_nothing_to_lose() -> None:
    """It cannot fall, so no budget is reached, even where pruning makes it right; DER is ½ where nothing falls."""
    data = Data("d", shown(10, 20), shown(10), {"x": shown(10)})
    sweep = swept(votes([1, 5], 2), data, LastFirst())
    assert sweep.table["clean_valid/pruned_accuracy"].tolist() == [0, 1, 1]
    assert sweep.chosen == {"10_percent": None}
    assert sweep.full_table["x/pruned_der"].tolist() == [0.5, 0.5, 0.5]


def test_weights_that_are_all_alike_are_all_kept() -> None:
    """As large as the smallest one kept: none may go, at any sparsity."""
    model = linear([[1, 1], [1, 1]])
    training = {"epochs": 1, "batch_size": 1, "learning_rate": 1}
    choices: dict[str, Any] = {"scope": "global", "layers": "dense", "train": "none", "training": training, "seed": 0}
    strategy = MagnitudeDense(sparsities=[0.5, 0.9], **choices)
    images = ArraySplit(np.ones((2, 1, 1, 2), np.uint8), np.zeros(2, np.int64), Scaling(1.0))
    sweep = swept(model, Data("d", images), strategy)
    assert sweep.table["pruned"].tolist() == [0, 0, 0]
    assert sweep.table["clean_valid/pruned_accuracy"].tolist() == [1, 1, 1]


def labels_from_file(path: Path, kind: Any) -> NDArray[np.int64]:
    """Those of a sweep over images whose pixels and labels are stored as numbers of `kind`."""
    write_h5(path, pictures(40).astype(kind), (np.arange(40) % 5).astype(kind))
    return swept(tiny(), Data("d", H5Split(path, Scaling(1 / 255), "data.clean_valid"))).labels["clean_valid"]


@pytest.fixture(scope="module")
def from_bytes(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.int64]:
    return labels_from_file(tmp_path_factory.mktemp("bytes") / "images.h5", np.uint8)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int16, ">f4"])
@pytest.mark.slow
def test_pixels_and_labels_of_any_type_of_number_give_the_same_sweep(
    dtype: Any, from_bytes: NDArray[np.int64], tmp_path: Path
) -> None:
    assert np.array_equal(labels_from_file(tmp_path / "images.h5", dtype), from_bytes)


OVERFLOW = "^expected the network to give every image finite scores, got NaN or infinity: its weights or its inputs are"


@pytest.mark.parametrize("strategy", [ChannelActivation(rank_at="conv_2"), NoPruning()])
@pytest.mark.parametrize("layer", ["hidden", "output"])
@pytest.mark.slow
def test_weights_that_overflow_are_told_rather_than_counted(strategy: Strategy, layer: str) -> None:
    model = tiny()
    large = [np.sign(array) * np.float32(3e38) for array in model.get_layer(layer).get_weights()]
    model.get_layer(layer).set_weights(large)
    with pytest.raises(ModelError, match=OVERFLOW):
        swept(model, Data("d", split(pictures(20), 5, scale=1.0)), strategy)
    with pytest.raises(ModelError, match=OVERFLOW):
        predict(model, split(pictures(20), 5, scale=1.0))
    with pytest.raises(ModelError, match=OVERFLOW):
        GoodNet(model, tiny()).predict(pictures(20).astype(np.float32))


def test_activations_that_overflow_rank_nothing() -> None:
    model = tiny()
    model.get_layer("conv_2").set_weights(
        [array * np.float32(1e38) for array in model.get_layer("conv_2").get_weights()]
    )
    with pytest.raises(
        ModelError, match="^expected finite activations at 'pool_2', got NaN or infinity: the network's"
    ):
        swept(model, Data("d", split(pictures(20), 5, scale=1.0)))


def test_more_channels_than_masks_fit_in_memory() -> None:
    class Wide(ChannelStrategy):
        def scores(self, network: Any, clean: Any) -> dict[str, NDArray[np.float64]]:
            return {"conv": np.zeros(40_000)}

    said = r"^expected at most 268,435,456 channels times steps, got 40,000 channels: set strategy.chunk=6$"
    with pytest.raises(ConfigError, match=said):
        next(Wide().steps(None, None))  # type: ignore[arg-type]
    assert next(Wide(chunk=6).steps(None, None)).pruned == 6  # type: ignore[arg-type]


@pytest.mark.end_to_end
def test_one_image_of_one_pixel_from_files_to_pictures(tmp_path: Path) -> None:
    save_model(votes([1, 2, 3], 3), tmp_path / "net.h5")
    for name, label in {"valid": 2, "test": 2, "poisoned": 1}.items():
        write_h5(tmp_path / f"{name}.h5", np.full((1, 1, 1, 1), 30, np.uint8), np.array([label]))
    given = ["badnet=h5", "badnet.model=net.h5", "data=h5", "data.clean_valid=valid.h5", "data.clean_test=test.h5"]
    given += ["data.poisoned.x=poisoned.h5", "tracking=none", "hydra.run.dir=out", "budgets=[0.1]"]
    ended = run_command(tmp_path, "sweep", *given)
    assert ended.status == 0, ended.err
    doubted = [line.partition(" are ")[0] for line in ended.err.splitlines()]
    assert doubted == ["warning: budgets", "warning: clean_valid and clean_test"]
    assert pd.read_csv(tmp_path / "out" / "performance.csv")["clean_test/goodnet_accuracy"].tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("tuning", "lacks"),
    [
        (FeatureShift(epochs=1), "expected a last softmax over the 6 classes"),
        (CleanFineTuning("dense", epochs=1, batch_size=8, learning_rate=0.1), "expected a network with dense layers"),
    ],
)
def test_that_a_network_cannot_be_fine_tuned_so_shows_before_it_is_swept(tuning: FineTuning, lacks: str) -> None:
    image = layers.Input((4, 4, 1))
    x = layers.MaxPooling2D()(layers.Conv2D(6, 3, name="conv")(image))
    scores = layers.Flatten()(layers.Softmax()(layers.Reshape((2, 3))(x)))
    images = split(pictures(8, (4, 4, 1)), 6)
    with pytest.raises(NotApplicable, match=lacks):
        plan(BadNet(Network(keras.Model(image, scores)), Data("d", images)), NoPruning(), tuning, [], 0.3, 0)
