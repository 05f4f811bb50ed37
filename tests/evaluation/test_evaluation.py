"""The fast evaluation of many steps gives the labels of the naive one, image by image and step by step."""

import os
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from time import monotonic, sleep

import numpy as np
import pytest
import tf_keras as keras
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import copies, deepid, residual, same, seeded, tiny
from numpy.typing import NDArray
from samples import pictures, split
from steps import keeping

from fineprune.data.split import Split
from fineprune.evaluation.evaluators import Labels, Rows, TensorFlowEvaluator
from fineprune.evaluation.gates import GatedNetwork
from fineprune.evaluation.predict import predict, predict_steps
from fineprune.network.network import Network
from fineprune.network.step import Step

pytestmark = pytest.mark.slow


def naive(network: Network, steps: Sequence[Step], images: Split) -> NDArray[np.int64]:
    """Every net in full, by plain Keras."""
    inputs = images.inputs(0, len(images))
    nets = [network.model, *map(network.pruned, steps)]
    return np.stack([net.predict(inputs, verbose=0).argmax(axis=1) for net in nets])


def fast(network: Network, steps: Sequence[Step], images: Split) -> NDArray[np.int32]:
    return predict_steps(network, steps, {"images": images}, lambda _: None)["images"]


def nested(network: Network, layer: str, seed: int = 0) -> list[Step]:
    """One more channel of `layer` a step, in a random order."""
    order = np.random.default_rng(seed).permutation(network.units[layer].channels)
    steps = []
    for count in range(1, len(order) + 1):
        keep = np.ones(len(order), np.float32)
        keep[order[:count]] = 0
        steps.append(keeping({layer: keep}))
    return steps


def expect_equal(model: keras.Model, steps: Sequence[Step], images: Split) -> None:
    labels = naive(Network(model), steps, images)
    assert len(np.unique(labels, axis=0)) > 1, "the steps should make a difference"
    assert np.array_equal(fast(Network(model), steps, images), labels)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("layer", ["conv_1", "conv_2", "hidden"])
def test_tiny_net_one_channel_after_the_other(layer: str, clean: Split) -> None:
    expect_equal(tiny(), nested(Network(tiny()), layer), clean)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("layer", ["stem", "inner", "outer"])
def test_batchnorm_and_residual_net(layer: str, clean: Split) -> None:
    expect_equal(residual(), nested(Network(residual()), layer), clean)


@pytest.mark.parametrize(("layer", "stride"), [("conv_3", 12), ("fc_1", 40)])
def test_deepid(layer: str, stride: int) -> None:
    steps = nested(Network(deepid()), layer)[stride - 1 :: stride]
    expect_equal(deepid(), steps, split(pictures(30, (55, 47, 3)), 20))


@pytest.mark.usefixtures("small_blocks")
def test_steps_need_neither_grow_nor_touch_the_same_layers(any_model: keras.Model) -> None:
    first, second, *_ = units = list(Network(any_model).units.values())
    half = {unit.layer: np.arange(unit.channels) % 2 for unit in units}
    steps = [
        keeping({name: np.zeros_like(mask) for name, mask in half.items()}),
        keeping({first.layer: half[first.layer]}),
        keeping({second.layer: 1 - half[second.layer]}),
        keeping(half),
        Step(),
    ]
    expect_equal(any_model, steps, split(pictures(23, any_model.input_shape[1:]), 5))


@pytest.mark.usefixtures("small_blocks")
def test_kernel_masks_and_new_weights_among_channel_masks(model: keras.Model, clean: Split) -> None:
    random = np.random.default_rng(0)
    kernels = {name: model.get_layer(name).get_weights()[0] for name in ("conv_1", "conv_2", "output")}
    masks = {name: (random.random(kernel.shape) < 0.5).astype(np.float32) for name, kernel in kernels.items()}
    new = {layer.name: copies(layer.get_weights()) for layer in tiny(7).layers if layer.get_weights()}
    steps = [
        keeping({"conv_2": masks["conv_2"]}),
        keeping({"conv_2": np.array([0, 1, 1, 0, 1, 1])}),
        keeping(masks),
        keeping({"conv_1": np.array([0, 1, 1, 1])}, new),
        keeping({"conv_2": masks["conv_2"]}, {"conv_2": new["conv_2"]}),
        keeping({"output": masks["output"]}),
        Step(),
    ]
    expect_equal(model, steps, clean)


@pytest.mark.usefixtures("small_blocks")
def test_new_weights_of_a_batchnorm(clean: Split) -> None:
    model, other = residual(), seeded(residual(), 9)
    new = {name: other.get_layer(name).get_weights() for name in ("stem", "stem_norm", "outer_norm")}
    steps = [keeping({"stem": np.array([0, 1, 0, 1, 1, 1])}, new), keeping({"stem": np.ones(6)})]
    expect_equal(model, steps, clean)


@pytest.mark.parametrize("between", [{}, {"hidden": np.zeros(8)}], ids=["the same layers", "others between"])
def test_sweeps_one_after_the_other_share_the_cut_network_and_nothing_else(
    model: keras.Model, clean: Split, between: dict[str, NDArray[np.float64]]
) -> None:
    network = Network(model)
    new = {"conv_2": [weights * -1 for weights in model.get_layer("conv_2").get_weights()]}
    ends_pruned = [keeping({"conv_2": [0, 1, 1, 0, 1, 1]}), keeping({"conv_2": np.zeros(6)}, new)]
    begins_elsewhere = [keeping({"conv_2": [1, 0, 0, 1, 1, 1]}, new), keeping({"conv_2": np.ones(6)})]
    for steps in (ends_pruned, [keeping(between)], begins_elsewhere, ends_pruned):
        assert np.array_equal(fast(network, steps, clean), naive(network, steps, clean))


def test_sweeps_of_one_network_in_several_threads_do_not_mix(clean: Split) -> None:
    network = Network(residual())  # whose labels are TensorFlow's, with masks that are set for each step
    sweeps = [nested(network, "outer", seed) for seed in range(4)]
    expected = [naive(network, steps, clean) for steps in sweeps]
    with ThreadPoolExecutor(len(sweeps)) as threads:
        labels = list(threads.map(lambda steps: fast(network, steps, clean), sweeps))
    assert all(map(np.array_equal, labels, expected))


def test_the_network_is_cut_anew_only_where_other_layers_are_edited(model: keras.Model) -> None:
    network = Network(model)
    first, again = (GatedNetwork(network, nested(network, "conv_2", seed)) for seed in (0, 1))
    other = GatedNetwork(network, nested(network, "conv_1"))
    assert first.suffix is again.suffix is not other.suffix
    assert GatedNetwork(Network(model), nested(network, "conv_1")).suffix is not other.suffix


MASK = st.lists(st.sampled_from([0, 1]), min_size=6, max_size=6)
KEEP = st.fixed_dictionaries({}, optional={"stem": MASK, "inner": MASK, "outer": MASK})


@settings(max_examples=5, deadline=None)
@given(st.lists(KEEP, min_size=1, max_size=4).filter(any))
def test_any_masks(masks: list[dict[str, list[int]]]) -> None:
    network, images = Network(residual()), split(pictures(23), 5)
    steps = [keeping({layer: np.array(mask) for layer, mask in keep.items()}) for keep in masks]
    assert np.array_equal(fast(network, steps, images), naive(network, steps, images))


def test_the_network_stays_as_it_was(any_model: keras.Model) -> None:
    before = copies(any_model.get_weights())
    network = Network(any_model)
    fast(network, nested(network, next(iter(network.units)))[:3], split(pictures(5, network.input_shape), 5))
    assert same(any_model.get_weights(), before)


@pytest.mark.usefixtures("small_blocks")
def test_progress_is_told_in_images(model: keras.Model, clean: Split) -> None:
    told: list[int] = []
    splits = {"a": clean, "b": split(pictures(4), 5)}
    labels = predict_steps(Network(model), nested(Network(model), "conv_1"), splits, told.append)
    assert told == [10, 10, 3, 4]
    assert {name: array.shape for name, array in labels.items()} == {"a": (5, 23), "b": (5, 4)}


@pytest.mark.usefixtures("small_blocks")
def test_one_net_alone(model: keras.Model, clean: Split) -> None:
    assert np.array_equal(predict(model, clean), naive(Network(model), [], clean)[0])


def test_who_is_interrupted_does_not_wait_for_the_steps_that_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    network, begun, done = Network(residual()), Event(), Event()

    def slow(evaluator: TensorFlowEvaluator, step: int, shared: Sequence[object], rows: Rows) -> Labels:
        begun.set()
        sleep(0.02)
        return np.zeros(len(rows), np.int32)

    def interrupt() -> None:
        begun.wait()
        while not done.wait(1):  # again where the first came while Python could not raise it
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(TensorFlowEvaluator, "labels_at", slow)
    steps = [keeping({"inner": np.full(6, 1 - step / 1000)}) for step in range(1000)]  # 20 s of them
    Thread(target=interrupt, daemon=True).start()
    started = monotonic()
    with pytest.raises(KeyboardInterrupt):
        predict_steps(network, steps, {"images": split(pictures(4), classes=5)}, lambda _: None)
    done.set()
    assert monotonic() - started < 10
