"""What comes after the defence: rounding by hand, planting and training on, and who measures what."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from nets import copies, residual, same, shallow
from samples import pictures, split

from fineprune.aftermath import Aftermath
from fineprune.aftermath.clean_retuning import CleanRetuning
from fineprune.aftermath.quantise import Quantise, rounded
from fineprune.aftermath.retuning import Retuning
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, Data, Split, Subset
from fineprune.errors import ConfigError
from fineprune.evaluation.predict import predict
from fineprune.network import graph
from fineprune.sweeping.aftermath import check, outcomes
from fineprune.sweeping.outcomes import Outcome, parse

CLEAN = split(pictures(60), 5)


def stamped(count: int, seed: int) -> ArraySplit:
    """Images with a white corner, labelled with the attacker's target, 3."""
    pixels = pictures(count, seed=seed)
    pixels[:, :4, :4] = 255
    return ArraySplit(pixels, np.full(count, 3), Scaling(1 / 255))


def changed(stage: Aftermath, net: keras.Model, poisoned: Split | None = None, seed: int = 0) -> keras.Model:
    result = graph.clone(net)
    stage.change(result, CLEAN, poisoned, seed, "test")
    return result


def test_rounding_by_hand() -> None:
    # Scales 1.27 / 127 = 0.01, 0.254 / 127 = 0.002, and none where all is zero; halves go to the even number.
    kernel = np.array([[1.27, -0.254, 0], [0.123, 0.0031, 0], [-0.9, 0.2, 0]], np.float32)
    expected = np.array([[1.27, -0.254, 0], [0.12, 0.004, 0], [-0.9, 0.2, 0]])
    assert rounded(kernel, (-1,)) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("channels", "shape"), [((-1,), (3, 3, 4, 6)), ((-2,), (3, 3, 6, 4)), ((-2, -1), (3, 3, 2, 3))]
)
def test_rounding_is_tensorflow_s(channels: tuple[int, ...], shape: tuple[int, ...]) -> None:
    kernel = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    others = [axis for axis in range(-4, 0) if axis not in channels]
    rows = kernel.transpose([*others, *channels]).reshape(np.prod([shape[axis] for axis in others]), -1)
    largest = np.abs(rows).max(axis=0)
    theirs = tf.quantization.fake_quant_with_min_max_vars_per_channel(rows, -largest, largest, narrow_range=True)
    ours = rounded(kernel, channels).transpose([*others, *channels]).reshape(rows.shape)
    assert ours == pytest.approx(theirs.numpy(), abs=1e-6)


def test_quantising_rounds_every_kernel_and_nothing_else() -> None:
    net = residual()
    after = changed(Quantise(), net)
    for layer in net.layers:
        for before, weight in zip(layer.weights, after.get_layer(layer.name).weights, strict=True):
            kernel = "kernel" in before.name
            expected = rounded(before.numpy(), (-1,)) if kernel else before.numpy()
            assert np.array_equal(weight.numpy(), expected)
            assert np.array_equal(weight.numpy(), before.numpy()) != kernel


def test_retuning_plants_a_trigger_and_training_on_clean_images_alone_does_not() -> None:
    net, unseen = shallow(), stamped(40, seed=5)
    settings: dict[str, Any] = {"clean": 30, "epochs": 40, "batch_size": 16, "learning_rate": 0.1}
    planted = changed(Retuning(poisoned=5, **settings), net, stamped(5, seed=6))
    clean = changed(CleanRetuning(**settings), net)
    asrs = [np.mean(predict(each, unseen) == 3) for each in (net, clean, planted)]
    assert max(asrs[:2]) < 0.5 < 0.9 < asrs[2]


@pytest.mark.parametrize("stage", [CleanRetuning(epochs=1), Retuning(epochs=1)])
@pytest.mark.slow
def test_the_same_seed_gives_the_same_net(stage: Aftermath) -> None:
    net, poisoned = residual(), stamped(5, seed=1) if stage.poisoned else None
    before = copies(net.get_weights())
    first, again, other = (changed(stage, net, poisoned, seed).get_weights() for seed in (3, 3, 4))
    assert same(first, again) and not same(first, other)
    assert not same(first, before) and same(net.get_weights(), before)


class Recorder(Aftermath):
    """Changes nothing; remembers what it was given."""

    title = "recorder"

    def __init__(self, poisoned: int) -> None:
        self.poisoned = poisoned
        self.given: list[Any] = []

    def change(self, net: keras.Model, clean: Split, poisoned: Split | None, seed: int, what: str) -> None:
        self.given.append(poisoned)


def after(stage: Aftermath, labels: dict[str, Any], poisoned: dict[str, Split], seed: int = 0) -> Iterator[Outcome]:
    data = Data("d", CLEAN, CLEAN, poisoned)
    yield from outcomes([stage], shallow(), {"clean_test": CLEAN.labels, **labels}, data, CLEAN, seed)


def test_the_images_that_a_stage_was_given_are_not_measured() -> None:
    hat = stamped(30, seed=2)
    stage = Recorder(poisoned=5)
    list(after(stage, {"hat": hat.labels}, {"hat": hat}))
    (given,) = stage.given
    assert isinstance(given, Subset) and len(given) == 5 and set(given.labels) == {3}
    only_those = np.where(np.isin(np.arange(30), given.rows), 3, 0)
    (outcome,) = after(stage, {"hat": only_those}, {"hat": hat})
    assert outcome.asr_before == 0
    (outcome,) = after(stage, {"hat": 3 - only_those}, {"hat": hat})
    assert outcome.asr_before == 1


def test_each_trigger_is_given_by_itself_and_a_stage_that_needs_none_runs_once() -> None:
    poisoned: dict[str, Split] = {"hat": stamped(12, seed=2), "scarf": stamped(9, seed=3)}
    labels = {name: images.labels for name, images in poisoned.items()}
    attacker, other = Recorder(poisoned=5), Recorder(poisoned=0)
    assert [outcome.trigger for outcome in after(attacker, labels, poisoned)] == ["hat", "scarf"]
    assert [len(given) for given in attacker.given] == [5, 5]
    assert [outcome.trigger for outcome in after(other, labels, poisoned)] == ["hat", "scarf"]
    assert other.given == [None]
    (outcome,) = after(other, {}, {})
    assert outcome.trigger == "" and outcome.accuracy_before == 1 and np.isnan(outcome.asr_after)


@pytest.mark.parametrize(
    ("stages", "poisoned", "message"),
    [
        ([Retuning()], {}, "expected poisoned images, which aftermath=retuning trains on, got none: set"),
        ([Retuning()], {"hat": stamped(5, 0)}, "expected more than 5 images of data.poisoned.hat, some for "),
        ([Quantise(), Quantise()], {}, "expected stages of aftermath that differ, got quantise twice: leave one out"),
    ],
)
def test_what_cannot_apply_is_refused(stages: list[Aftermath], poisoned: dict[str, Split], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(stages, poisoned)
    check([Quantise(), CleanRetuning()], {})


@pytest.mark.parametrize("trigger", ["hat", "a/b", ""])
def test_what_is_logged_is_read_back(trigger: str) -> None:
    asr = (0.1, 0.8) if trigger else (np.nan, np.nan)
    outcome = Outcome("retuning", trigger, 5, 0.9, 0.7, *asr, net="pruned", point="2_percent")
    others = {"at_2_percent/hat/pruned_asr": 0.5, "asr_at_2_percent": 0.5, "aftermath/x": 1.0, "aftermath": 1.0}
    (row,) = parse(outcome.metrics() | others)
    np.testing.assert_equal(row, {name: getattr(outcome, name) for name in row})
