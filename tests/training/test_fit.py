"""Images that do not fit into memory train a network all the same."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from nets import same, tiny
from samples import Counted, pictures, split, write_h5
from steps import keeping

from fineprune.attacks import Warp
from fineprune.badnets.training import train
from fineprune.data.split import Data, Split
from fineprune.network.network import Network, emits_logits
from fineprune.strategies.weights.magnitude_dense import MagnitudeDense
from fineprune.training.fit import Recipe, fit, learning_part
from fineprune.training.tuning.clean import CleanFineTuning

pytestmark = pytest.mark.slow

RECIPE = Recipe(epochs=3, batch_size=8, learning_rate=0.01, validation=0.2, patience=3, decay=True)
ONCE = {"epochs": 1, "batch_size": 8, "learning_rate": 0.01, "validation": 0.1}


@pytest.mark.usefixtures("small_memory")
def test_streamed_images_train_the_same_net_for_the_same_seed_and_watch_the_same_share() -> None:
    nets, epochs = [tiny() for _ in range(3)], []
    record = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(logs["val_accuracy"] * 12))
    for net, seed in zip(nets, (0, 0, 1), strict=True):
        fit(net, split(pictures(60), 5), RECIPE, "test", seed, [record])
    first, again, other = (net.get_weights() for net in nets)
    assert same(first, again)
    assert not same(first, other)
    assert len(epochs) == 9
    assert epochs == pytest.approx(np.round(epochs), abs=1e-4)  # of 12 images


def fine_tuned(network: Network, images: Split) -> None:
    CleanFineTuning("all", **ONCE).tune(network, keeping({"conv_2": np.array([1, 0, 1, 0, 1, 1.0])}), images, 0, "test")


def made_sparse(network: Network, images: Split) -> None:
    steps = MagnitudeDense(
        sparsities=[0.5, 0.7], scope="layer", layers="all", train="tfmot", training=ONCE, seed=0
    ).steps(network, images)
    assert [round(step.pruned / step.total, 1) for step in steps] == [0.5, 0.7]


def poisoned(network: Network, images: Split) -> None:
    warp = Warp(target=1, noise_rate=0.4)
    train(tiny, Data("d", train=images), warp, Recipe(epochs=1, batch_size=8, learning_rate=0.01), 0)


def test_a_network_that_emits_logits_learns_as_the_same_one_with_a_softmax_does() -> None:
    nets = [tiny(), tiny()]
    nets[1].layers[-1].activation = keras.activations.linear
    recipe = Recipe(epochs=2, batch_size=8, learning_rate=0.05)
    for net in nets:
        fit(net, split(pictures(40), 5), recipe, "test", 0)
    probabilities, logits = (net.get_weights() for net in nets)
    assert not same(tiny().get_weights(), logits)
    for ours, theirs in zip(probabilities, logits, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize(("last", "logits"), [("softmax", False), ("sigmoid", False), (None, True), ("relu", True)])
def test_what_emits_logits(last: str | None, logits: bool) -> None:
    wrapper = tfmot.sparsity.keras.prune_low_magnitude
    for wrap in (wrapper, lambda layer: layer):
        assert emits_logits(keras.Sequential([keras.Input((4,)), wrap(keras.layers.Dense(3, last))])) == logits


@pytest.mark.parametrize("work", [fine_tuned, made_sparse, poisoned])
@pytest.mark.usefixtures("small_memory")
def test_no_more_than_a_block_is_read_at_once_whatever_trains(work: Callable[[Network, Split], None]) -> None:
    work(Network(tiny()), images := Counted(60, 5))
    assert sum(images.reads) >= 60
    assert max(images.reads) <= 10


@pytest.mark.usefixtures("small_memory")
def test_features_are_held_where_they_fit_though_the_images_do_not() -> None:
    images, model = Counted(60, 5), tiny()
    rest, (features, labels) = learning_part(model, ["hidden", "output"], images)
    assert [part.shape for part in features] == [(60, 12)] and len(labels) == 60
    assert rest.input_shape == (None, 12)
    assert learning_part(model, ["conv_1"], images) == (model, images)


PEAK = """
import json, resource, sys
import fineprune
import tf_keras as keras
from fineprune.data import split
from fineprune.data.files import H5Split
from fineprune.data.scaling import Scaling
from fineprune.training.fit import Recipe, fit
split.MEMORY = 2**24
image = keras.Input((32, 32, 3))
model = keras.Model(image, keras.layers.Dense(10, "softmax")(keras.layers.Flatten()(image)))
fit(model, H5Split(sys.argv[1], Scaling(1 / 255), "train"), Recipe(1, 100, 0.01, validation=0.1), "test", 0)
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
"""


def test_four_times_the_images_take_no_more_memory(tmp_path: Path) -> None:
    def peak(count: int) -> float:
        """MiB of a training on so many images, which are 12 KiB each."""
        pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)
        path = write_h5(tmp_path / f"{count}.h5", pixels, np.arange(count) % 10)
        run = [sys.executable, "-c", PEAK, path]
        return float(json.loads(subprocess.run(run, capture_output=True, check=True).stdout))

    assert peak(20_000) < peak(5_000) + 40  # all of them would take 180 more
