"""Contrastive neuron pruning, against cosines by hand and gradients that plain Keras finds."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from samples import pictures, split

from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit
from fineprune.errors import NotApplicable
from fineprune.network.network import Network
from fineprune.network.step import Scale, Silence
from fineprune.strategies.masks import cnp
from fineprune.strategies.masks.cnp import ContrastiveNeuronPruning, contrast
from fineprune.testing import NETWORKS
from fineprune.training.inversion import Trigger, invert, suspect
from fineprune.training.loop import Watch

pytestmark = pytest.mark.slow

ONCE = {"chunk": 1, "epochs": 1, "inverting_epochs": 1, "batch_size": 24, "momentum": 0.0}
CLEAN = split(pictures(24), 5)
IMAGES = CLEAN.inputs(0, 24)


def network(name: str = "normalised") -> Network:
    return Network(NETWORKS[name]())


def test_contrast_worked_by_hand() -> None:
    """Near is (2, 0), far is (0, 3): the cosines are 1, 0, √½ with the one, and 0, 1, √½ with the other."""
    features = [tf.constant([values]) for values in ([5.0, 0], [0.0, 1], [1.0, 1])]
    exponents = np.exp(np.array([1, 0, np.sqrt(0.5), 0, 1, np.sqrt(0.5)]) / 0.3)
    expected = -np.mean(np.log(exponents[:3] / exponents.sum()))
    ours = contrast(features, tf.constant([[2.0, 0]]), tf.constant([[0.0, 3]]), 0.3)
    assert float(ours) == pytest.approx(expected, rel=1e-5)


def test_a_step_goes_down_the_gradient_of_the_masks_as_keras_finds_it() -> None:
    """With hardly any noise, the features under noise are those of the masked network."""
    strategy = ContrastiveNeuronPruning(epsilon=1e-9, learning_rate=20.0, **ONCE)
    trigger, batches = Trigger(CLEAN.shape, CLEAN.black, CLEAN.white, 0), CLEAN.batches(24, 0, epochs=1)
    invert(network(), suspect(network(), CLEAN.batches(24, 0, epochs=5), 1e-9, 0), trigger, batches, 0.005, 0.01)
    model = NETWORKS["normalised"]()
    below = keras.Model(model.inputs, model.layers[-1].input)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    gammas = [norm.gamma for norm in norms]

    def unit(images: tf.Tensor) -> tf.Tensor:
        return tf.linalg.l2_normalize(below(images, training=True), axis=-1)

    poisoned = trigger(IMAGES)
    near, far = unit(IMAGES), unit(poisoned)
    with tf.GradientTape() as tape:
        ours = [unit(IMAGES), unit(poisoned), unit(IMAGES)]
        cosines = [tf.reduce_sum(one * other, axis=-1) for other in map(tf.stop_gradient, (near, far)) for one in ours]
        loss = -tf.reduce_mean(tf.nn.log_softmax(tf.stack(cosines, axis=-1) / 0.3)[:, :3])
    slopes = [slope * gamma for slope, gamma in zip(tape.gradient(loss, gammas), gammas, strict=True)]
    expected = np.clip(1 - 20 * np.concatenate(slopes), 0, 1)
    ours = np.concatenate(list(strategy.scores(network(), CLEAN).values()))
    assert ours == pytest.approx(expected, abs=5e-3)
    assert 0 < (ours < 0.99).sum() < len(ours)


@pytest.mark.parametrize(("form", "edit"), [("published", Scale), ("silent", Silence)])
def test_gamma_alone_is_pruned_unless_channels_are_to_be_silent(form: str, edit: type) -> None:
    steps = list(ContrastiveNeuronPruning(**ONCE, form=form).steps(network(), CLEAN))
    assert len(steps) == 10
    assert all(isinstance(each, edit) for step in steps for each in step.edits)


@pytest.mark.parametrize(
    ("more", "rates"), [(0.0, {3: 0.03, 4: 0.015, 6: 0.015, 7: 0.01, 10: 0.01}), (1.0, {10: 0.03})]
)
def test_the_rate_is_halved_after_three_rounds_that_keep_no_more_labels(
    more: float, rates: dict[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first round of five epochs sets the mark; of those after the fourth, the seventh is the third again."""
    kept, seen = tf.Variable(12.0), {}
    monkeypatch.setattr(cnp, "same_labels", lambda *_: kept.assign_add(more / 50))
    whole = cnp.train

    def watched(*args: Any, watch: Watch, **how: Any) -> None:
        def follow(number: int, loss: float) -> None:
            watch(number, loss)
            seen[number / 5] = float(args[3].learning_rate)

        whole(*args, watch=follow, **how)

    monkeypatch.setattr(cnp, "train", watched)
    ContrastiveNeuronPruning(**(ONCE | {"epochs": 50, "learning_rate": 0.03})).scores(network(), CLEAN)
    assert {number: seen[number] for number in rates} == pytest.approx(rates)


def test_images_of_a_single_class_are_enough() -> None:
    single = ArraySplit(pictures(24), np.full(24, 3), Scaling(1 / 255))
    assert len(list(ContrastiveNeuronPruning(**ONCE).steps(network(), single))) == 10


def test_it_needs_batch_normalisation() -> None:
    with pytest.raises(NotApplicable, match=r"^expected a network with batch normalisation to mask"):
        ContrastiveNeuronPruning(**ONCE).scores(network("plain"), CLEAN)
