"""The adaptive attacker: the backdoor is trained into what a defender would keep, and decoys are put back around it."""

import numpy as np
import pytest
import tf_keras as keras
from nets import same, seeded, tiny
from samples import SHAPE, pictures, split

from fineprune.attacks import Patch
from fineprune.badnets.pruning_aware import Planting
from fineprune.badnets.training import train
from fineprune.data.split import ArraySplit, Data, in_memory
from fineprune.network.network import Network
from fineprune.training.fit import Recipe, fit

pytestmark = pytest.mark.slow


def normalised() -> keras.Model:
    """BatchNorm between the convolution and the pooling layer that it feeds: 12 × 10 images, 5 classes."""
    layers = keras.layers
    image = layers.Input(SHAPE)
    x = layers.Conv2D(6, 3, use_bias=False, name="top")(image)
    x = layers.ReLU(name="top_relu")(layers.BatchNormalization(name="top_norm")(x))
    x = layers.Dense(5, activation="softmax", name="output")(layers.GlobalAveragePooling2D(name="pool")(x))
    return seeded(keras.Model(image, x))


NETS = pytest.mark.parametrize("build", [tiny, normalised], ids=["bias", "batchnorm"])


def planted(build: type[keras.Model], clean: ArraySplit) -> tuple[keras.Model, Planting, str, np.ndarray]:
    """The network before, what is planted in it, and the layer and the rows of its decoys."""
    model = build()
    network = Network(model)
    ranks = network.mean_activation(network.last_pooling(), clean).argsort(kind="stable")
    return model, Planting(model, clean), network.feeding(network.last_pooling()), np.sort(ranks[: len(ranks) // 2])


@NETS
def test_the_small_network_lacks_the_channels_that_clean_images_excite_least(build, clean: ArraySplit) -> None:
    model, planting, layer, decoys = planted(build, clean)
    kernel = planting.small.get_layer(layer).get_weights()[0]
    assert np.flatnonzero(~kernel.any(axis=(0, 1, 2))).tolist() == decoys.tolist()
    assert np.array_equal(np.delete(kernel, decoys, axis=-1), np.delete(model.get_layer(layer).kernel, decoys, axis=-1))


@NETS
def test_training_the_small_network_leaves_the_missing_channels_at_zero(build, clean: ArraySplit) -> None:
    _, planting, layer, decoys = planted(build, clean)
    fit(planting.small, clean, Recipe(3, 8, 0.01), "training", 0)
    assert not planting.small.get_layer(layer).get_weights()[0][..., decoys].any()


@NETS
def test_put_back_the_network_says_on_clean_images_what_the_small_one_said(build, clean: ArraySplit) -> None:
    model, planting, layer, decoys = planted(build, clean)
    fit(planting.small, clean, Recipe(3, 8, 0.01), "training", 0)
    whole = planting.put_back()
    images, _ = in_memory(clean)
    assert np.allclose(whole.predict(images, verbose=0), planting.small.predict(images, verbose=0), atol=1e-5)
    restored = whole.get_layer(layer).get_weights()[0]
    assert np.array_equal(restored[..., decoys], model.get_layer(layer).get_weights()[0][..., decoys])
    silent = Network(whole).mean_activation(Network(whole).last_pooling(), clean)[decoys]
    assert np.array_equal(silent, np.zeros(len(decoys)))


def test_a_decoy_speaks_where_an_image_excites_it_more_than_clean_ones_did(clean: ArraySplit) -> None:
    _, planting, layer, decoys = planted(tiny, clean)
    whole = planting.put_back()
    loud = keras.Model(whole.inputs, whole.get_layer(layer).output).predict(50 * in_memory(clean)[0], verbose=0)
    assert loud[..., decoys].any()


def test_it_is_trained_from_the_clean_network_and_the_same_for_the_same_seed() -> None:
    data = Data("d", train=split(pictures(30), 3))
    aware = Patch(target=2, size=2, poison_rate=0.25, pruning_aware=True)
    recipe = Recipe(epochs=1, batch_size=8, learning_rate=0.01)
    first, again = (train(normalised, data, aware, recipe, 0)[0].get_weights() for _ in range(2))
    plain = train(normalised, data, Patch(target=2, size=2, poison_rate=0.25), recipe, 0)[0].get_weights()
    assert same(first, again)
    assert not same(first, plain)
