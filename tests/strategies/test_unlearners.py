"""Methods that make the network forget its task first: RNP and TSBD."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from samples import pictures, split

from fineprune.errors import ConfigError, NotApplicable
from fineprune.network.network import Network
from fineprune.network.step import Scale
from fineprune.strategies.masks.rnp import ReconstructiveNeuronPruning
from fineprune.strategies.weights.tsbd import TwoStageBackdoorDefence
from fineprune.testing import NETWORKS
from fineprune.training.unlearning import unlearn

CLEAN = split(pictures(24), 5)


def network(name: str = "normalised") -> Network:
    return Network(NETWORKS[name]())


def weights_after_one_step(rate: float, decay: float = 0.0) -> list[np.ndarray]:
    """By hand: one step up the cross-entropy of all images, in training mode, and down ½·decay·‖w‖²."""
    model, images = network().logits, CLEAN
    with tf.GradientTape() as tape:
        logits = model(images.inputs(0, 24), training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(images.labels, logits))
    slopes = tape.gradient(loss, model.trainable_variables)
    pairs = zip(model.trainable_variables, slopes, strict=True)
    return [w.numpy() + rate * (slope.numpy() - decay * w.numpy()) for w, slope in pairs]


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_unlearning_goes_up_the_loss_and_leaves_the_network_as_it_was(decay: float) -> None:
    untouched = network()
    before = untouched.model.get_weights()
    model = unlearn(untouched, CLEAN.batches(24, 0, epochs=1), keras.optimizers.SGD(0.1), decay=decay)
    expected = weights_after_one_step(0.1, decay)
    for ours, theirs in zip(model.trainable_variables, expected, strict=True):
        assert ours.numpy() == pytest.approx(theirs, abs=1e-4)
    assert all(map(np.array_equal, before, untouched.model.get_weights()))


@pytest.mark.slow
def test_unlearning_ends_after_the_epoch_that_forgets_or_with_its_batches() -> None:
    def weights(epochs: int, **until: Any) -> list[np.ndarray]:
        batches = CLEAN.batches(12, 0, epochs=epochs)
        return unlearn(network(), batches, keras.optimizers.SGD(0.01), every=2, **until).get_weights()

    once, late = weights(1), weights(3)
    assert all(map(np.array_equal, once, weights(3, until=lambda *_: True)))
    assert all(map(np.array_equal, late, weights(3, until=lambda *_: False)))
    assert not all(map(np.array_equal, once, late))


def test_whether_it_forgot_is_asked_of_the_copy_and_of_the_batches_as_they_were_learnt() -> None:
    asked: list[tuple[list[np.ndarray], float]] = []

    def forgotten(model: keras.Model, share: float) -> bool:
        asked.append((model.get_weights(), share))
        return False

    model = unlearn(network(), CLEAN.batches(24, 0, epochs=1), keras.optimizers.SGD(0.01), until=forgotten)
    ((weights, share),) = asked
    scores = network().logits(CLEAN.inputs(0, 24), training=True).numpy()
    assert share == pytest.approx(np.mean(scores.argmax(axis=-1) == CLEAN.labels))
    assert all(map(np.array_equal, weights, model.get_weights()))


@pytest.mark.slow
def test_rnp_learns_masks_that_bring_the_task_back_to_the_unlearned_network() -> None:
    clean, strategy = CLEAN, ReconstructiveNeuronPruning(batch_size=24, unlearning_epochs=3)
    unlearned = Network(strategy._unlearned(network(), clean))
    twin = unlearned.masked(Scale, batch_statistics=True)
    masks = np.concatenate(list(strategy.scores(network(), clean).values()))
    assert masks.min() >= 0 and masks.max() <= 1

    def loss(factors: np.ndarray) -> float:
        logits = twin(tf.constant(clean.inputs(0, 24)), tf.constant(factors, tf.float32))
        return float(tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(clean.labels, logits)))

    assert loss(masks) < loss(np.ones(twin.size))


def test_rnp_needs_batch_normalisation_and_says_so_before_anything_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Network, "logits", property(lambda _: pytest.fail("copied")))
    with pytest.raises(NotApplicable, match=r"^expected a network with batch normalisation to prune"):
        ReconstructiveNeuronPruning().scores(network("plain"), CLEAN)


def test_tsbd_prunes_by_one_threshold_in_the_filters_that_changed_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: of the filters of sums 9, 6, 12, half are two: those of 12 and 9, where half of 4 weights are ≥ 6."""
    changes = {
        "conv_1": np.array([[8, 3], [1, 3]], np.float32).reshape(1, 1, 2, 2),
        "conv_2": np.array([[6], [6]], np.float32).reshape(1, 1, 2, 1),
    }
    monkeypatch.setattr(TwoStageBackdoorDefence, "changes", lambda *_: changes)
    (step,) = TwoStageBackdoorDefence(neurons=(0.6,), weights=0.5).steps(network(), split(pictures(4), 5))
    masks = {edit.layer: edit.factors.reshape(2, -1).tolist() for edit in step.edits}
    assert masks == {"conv_1": [[0, 1], [1, 1]], "conv_2": [[0], [0]]}
    assert (step.amount, step.amount_name) == (0.6, "neurons")


def test_tsbd_leaves_alone_what_did_not_change_however_much_a_step_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights behind inputs that are never there do not change; to prune them would prune every weight there is."""
    changes = {
        "conv_1": np.array([[8, 1], [0, 1]], np.float32).reshape(1, 1, 2, 2),
        "conv_2": np.array([[0], [0]], np.float32).reshape(1, 1, 2, 1),
    }
    monkeypatch.setattr(TwoStageBackdoorDefence, "changes", lambda *_: changes)
    (step,) = TwoStageBackdoorDefence(neurons=(0.3,), weights=1.0).steps(network(), split(pictures(4), 5))
    masks = {edit.layer: edit.factors.reshape(2, -1).tolist() for edit in step.edits}
    assert masks == {"conv_1": [[0, 1], [1, 1]], "conv_2": [[1], [1]]}


def test_tsbd_says_so_where_unlearning_changes_nothing() -> None:
    with pytest.raises(ConfigError, match=r"^expected unlearning to change weights, got none changed"):
        TwoStageBackdoorDefence(epochs=1, learning_rate=1e-30).changes(network(), CLEAN)


@pytest.mark.parametrize("stop", [0.0001, 5.0])
@pytest.mark.slow
def test_unlearning_that_never_comes_down_to_the_stop_ends_after_its_epochs(stop: float) -> None:
    """Five times chance, of five classes, is reached after the first epoch; next to nothing never is."""
    settings = {"batch_size": 24, "learning_rate": 1e-4, "stop": stop}
    changes = [TwoStageBackdoorDefence(epochs=epochs, **settings).changes(network(), CLEAN) for epochs in (1, 2)]
    assert np.array_equal(changes[0]["conv_1"], changes[1]["conv_1"]) == (stop == 5)


def test_tsbd_measures_what_unlearning_changed() -> None:
    settings = {"epochs": 1, "batch_size": 24, "learning_rate": 0.1}
    changes = TwoStageBackdoorDefence(**settings).changes(network(), CLEAN)
    model = network().logits
    for variable, after in zip(model.trainable_variables, weights_after_one_step(0.1), strict=True):
        layer = variable.name.split("/")[0]
        if "kernel" in variable.name and layer in changes:
            assert changes[layer] == pytest.approx(np.abs(after - variable.numpy()), abs=1e-4)
    assert set(changes) == {"conv_1", "conv_2"}


def test_shares_of_neurons_are_fractions() -> None:
    with pytest.raises(ConfigError, match=r"^expected strategy.neurons to be fractions from 0 to 1, got \(2,\)"):
        TwoStageBackdoorDefence(neurons=(2,))
