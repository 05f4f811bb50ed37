"""Whatever the network and the steps: the fast labels are the plain ones, and the account of rounding holds."""

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras as keras
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import deepid, linear, seeded, tiny
from numpy.typing import NDArray
from samples import pictures, split
from steps import keeping
from tf_keras import layers

from fineprune.badnets import architectures
from fineprune.data.faces import draw_faces
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, Split
from fineprune.errors import DataError
from fineprune.evaluation import incremental
from fineprune.evaluation.evaluators import SAFETY, NumpyEvaluator, TensorFlowEvaluator
from fineprune.evaluation.gates import GatedNetwork
from fineprune.evaluation.incremental import IncrementalEvaluator, fastest
from fineprune.evaluation.predict import predict, predict_steps
from fineprune.evaluation.threads import prefetched
from fineprune.network.network import Network
from fineprune.network.step import Step
from fineprune.untrusted import network_files


def expect_plain_labels(network: Network, steps: Sequence[Step], images: Split) -> None:
    labels = predict_steps(network, steps, {"images": images}, lambda _: None)["images"]
    plain = [predict(net, images) for net in (network.model, *map(network.pruned, steps))]
    assert np.array_equal(labels, np.stack(plain))


def small_net(draw: Any) -> keras.Model:
    """One or two convolutions of any stride, padding and dilation, pooling or none, then dense layers, in two branches
    or one."""
    choose = lambda *options: draw(st.sampled_from(options))  # noqa: E731
    image = x = layers.Input((9, 8, 2), name="image")
    stride = choose(1, 2)
    x = layers.Conv2D(4, choose(1, 2, 3), stride, padding=choose("same", "valid"), activation="relu", name="first")(x)
    pooled = choose("max", "average", "none", "padded")
    if pooled != "none":
        kinds = {
            "max": layers.MaxPooling2D(2),
            "average": layers.AveragePooling2D(2),
            "padded": layers.ZeroPadding2D(1),
        }
        x = kinds[pooled](x)
    dilation = choose(1, 2) if stride == 1 else 1
    second = layers.Conv2D(
        3, 2, padding="same", dilation_rate=dilation, activation=choose("relu", "linear", "tanh"), name="second"
    )
    y = layers.Dense(5, name="fine")(layers.Flatten()(second(x)))
    if draw(st.booleans()):
        y = layers.Add()([y, layers.Dense(5, name="coarse", use_bias=False)(layers.Flatten()(x))])
    y = layers.ReLU()(y)
    return seeded(keras.Model(image, layers.Dense(4, activation="softmax", name="output")(y)), draw(st.integers(0, 99)))


def masks_of(draw: Any, network: Network) -> dict[str, NDArray[np.float32]]:
    """Masks of channels, hard or soft, or of single weights."""
    kernels = network.kernels(dense_only=False)
    weights = {}
    for layer in draw(st.lists(st.sampled_from(["first", "second", "fine", "output"]), max_size=2, unique=True)):
        whole = draw(st.booleans()) and layer in network.units
        values = draw(st.sampled_from([(0, 1), (0, 0.25, 0.7, 1)]))
        random = np.random.default_rng(draw(st.integers(0, 99)))
        shape = kernels[layer].shape[-1:] if whole else kernels[layer].shape
        weights[layer] = random.choice(np.array(values, np.float32), shape)
    return weights


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_small_network_and_any_steps(data: Any) -> None:
    network = Network(small_net(data.draw))
    steps = [keeping(masks_of(data.draw, network)) for _ in range(data.draw(st.integers(1, 4)))]
    expect_plain_labels(network, steps, split(pictures(30, (9, 8, 2)), 4))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_masks_of_one_layer(data: Any) -> None:
    """The incremental way, and its restoring of what was pruned before."""
    network = Network(small_net(data.draw))
    mask = st.lists(st.sampled_from(data.draw(st.sampled_from([[0, 1], [0, 0.3, 1]]))), min_size=4, max_size=4)
    steps = [
        keeping({"first": np.array(keep, np.float32)}) for keep in data.draw(st.lists(mask, min_size=1, max_size=6))
    ]
    expect_plain_labels(network, steps, split(pictures(30, (9, 8, 2)), 4))


def one_by_one(layer: str, channels: int) -> list[Step]:
    return [keeping({layer: (np.arange(channels) >= count).astype(np.float32)}) for count in range(1, channels + 1)]


@pytest.mark.parametrize(
    ("layer", "shape", "way"),
    [("conv_3", (60,), IncrementalEvaluator), ("conv_4", (80,), IncrementalEvaluator),
     ("fc_1", (160,), IncrementalEvaluator), ("fc_2", (960, 160), NumpyEvaluator),
     ("conv_1", (20,), TensorFlowEvaluator), ("conv_4", (2, 2, 60, 80), TensorFlowEvaluator)],
)  # fmt: skip
def test_deepid_goes_the_fastest_way(layer: str, shape: tuple[int, ...], way: type) -> None:
    gated = GatedNetwork(Network(deepid()), [keeping({layer: np.zeros(shape)})])
    assert fastest(gated, lambda: pytest.fail("nothing needs to be measured")) is way


KINDS = (IncrementalEvaluator, NumpyEvaluator, TensorFlowEvaluator)


@pytest.mark.parametrize("best", KINDS)
def test_beside_an_accelerator_the_way_is_measured(monkeypatch: pytest.MonkeyPatch, best: type) -> None:
    monkeypatch.setattr(incremental, "accelerators", lambda: ["/physical_device:GPU:0"])
    measured = []

    def seconds(evaluator: TensorFlowEvaluator, images: Sequence[NDArray[np.float32]]) -> float:
        measured.append((type(evaluator), len(images[0])))
        return 0.1 if type(evaluator) is best else 0.2

    monkeypatch.setattr(incremental, "seconds", seconds)
    network, steps = Network(deepid()), [keeping({"fc_1": np.zeros(160)})]
    gated = GatedNetwork(network, steps)
    pixels = np.zeros((3, *network.input_shape), np.float32)
    assert fastest(gated, lambda: gated.shared(pixels)) is best
    assert measured == [(kind, 3) for kind in KINDS]


def test_what_a_gpu_has_measured_are_the_plain_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a device that is not there changes the choice, not the computation."""
    monkeypatch.setattr(incremental, "accelerators", lambda: ["/physical_device:GPU:0"])
    expect_plain_labels(Network(tiny()), [keeping({"conv_2": [0, 1, 0, 1, 1, 1]})], split(pictures(23), 5))


def test_memory_of_a_gpu_is_taken_as_it_is_needed() -> None:
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


def test_the_cut_is_behind_the_pooling_of_a_pruned_convolution() -> None:
    gated = GatedNetwork(Network(deepid()), one_by_one("conv_3", 60))
    assert [tensor.shape[1:] for tensor in gated.suffix.inputs] == [(5, 4, 60)]


@pytest.mark.slow
def test_sums_are_made_anew(monkeypatch: pytest.MonkeyPatch, model: keras.Model, clean: Split) -> None:
    monkeypatch.setattr(incremental, "REFRESH", 2)
    steps = [*one_by_one("conv_2", 6), *reversed(one_by_one("conv_2", 6)), *one_by_one("conv_2", 6)]
    expect_plain_labels(Network(model), steps, clean)


@pytest.mark.parametrize("scale", [1e-8, 1, 1e4])
@pytest.mark.slow
def test_equal_probabilities_of_unequal_scores_go_to_the_first_class(scale: float, clean: Split) -> None:
    """Close, and so far apart that the softmax is 1 and 0; the last two classes are the same."""
    model = tiny()
    kernel, bias = model.get_layer("output").get_weights()
    kernel[:, 4], bias[4] = kernel[:, 3], bias[3]
    model.get_layer("output").set_weights([kernel * scale, bias * scale])
    expect_plain_labels(Network(model), one_by_one("conv_2", 6), clean)


def test_classes_that_always_tie() -> None:
    network = Network(linear([[1, 1], [2, 2]]))
    masks = [np.ones((2, 2)), np.zeros((2, 2)), np.array([[1, 0], [0, 1]])]
    expect_plain_labels(network, [keeping({"output": mask}) for mask in masks], split(pictures(9, (1, 1, 2)), 2))


@pytest.mark.slow
def test_an_output_that_is_no_softmax(clean: Split) -> None:
    """Sigmoids saturate: of several scores that all come out as 1 the first wins."""
    whole = tiny()
    scores = layers.Dense(5, activation="sigmoid", name="scores")(whole.get_layer("hidden").output)
    model = seeded(keras.Model(whole.inputs, scores))
    model.get_layer("scores").set_weights([100 * array for array in model.get_layer("scores").get_weights()])
    expect_plain_labels(Network(model), one_by_one("conv_2", 6), clean)


def exact_scores(
    incremental: IncrementalEvaluator, step: int, shared: NDArray[Any], model: keras.Model
) -> NDArray[np.float64]:
    """DeepID's scores from the output of pool_3 in double precision."""
    weights = {layer.name: [array.astype(np.float64) for array in layer.get_weights()] for layer in model.layers}
    taken = shared * incremental.masks[step]["conv_3_gate"].astype(np.float64)
    kernel, bias = weights["conv_4"]
    fine = bias + sum(taken[:, i : i + 4, j : j + 3] @ kernel[i, j] for i in range(2) for j in range(2))
    flat = [taken.reshape(len(taken), -1), np.maximum(fine, 0).reshape(len(taken), -1)]
    hidden = sum(part @ weights[name][0] + weights[name][1] for part, name in zip(flat, ("fc_1", "fc_2"), strict=True))
    return np.maximum(hidden, 0) @ weights["output"][0] + weights["output"][1]


def expect_margin_holds(model: keras.Model, images: Split) -> None:
    """Prune and restore every channel; no score may be off by more than half of what is doubted."""
    steps = [*one_by_one("conv_3", 60), *reversed(one_by_one("conv_3", 60))]
    evaluator = IncrementalEvaluator(GatedNetwork(Network(model), steps))
    [shared] = evaluator.gated.shared(next(images.blocks())[1])
    every, worst = np.arange(len(shared)), 0.0
    evaluator.start([shared])
    for step in range(len(steps) + 1):
        inputs = evaluator.suffix_inputs(step, [shared], every)
        scores = evaluator.numpy_suffix.scores(inputs, {}, evaluator.masks[step])
        off = np.abs(scores.values - exact_scores(evaluator, step, shared, model)).max()
        worst = max(worst, off / (SAFETY * scores.error))
    assert worst < 0.5


@pytest.mark.slow
def test_scores_are_within_their_margin() -> None:
    expect_margin_holds(deepid(), split(pictures(40, (55, 47, 3)), 20))


class Lab:
    """The lab's BadNet and drawn faces, pixels 0–255 as it takes them."""

    def __init__(self, folder: Path) -> None:
        self.model = architectures.deepid((55, 47, 3), 1283)
        network_files.load_weights(self.model, folder / "bd_weights.h5")
        faces = draw_faces(50, 4, "clean_test", 0)
        self.images = ArraySplit(faces.pixels, faces.labels, Scaling(1.0))


@pytest.fixture(scope="module")
def lab(csaw: Path) -> Lab:
    return Lab(csaw)


@pytest.mark.slow
def test_the_labs_scores_are_within_their_margin(lab: Lab) -> None:
    expect_margin_holds(lab.model, lab.images)


@pytest.mark.slow
def test_the_lab_badnet_channel_by_channel(lab: Lab) -> None:
    expect_plain_labels(Network(lab.model), one_by_one("conv_3", 60)[::3], lab.images)


@pytest.mark.slow
def test_the_lab_badnet_weight_by_weight(lab: Lab) -> None:
    network = Network(lab.model)
    kernels = network.kernels(dense_only=True)
    steps = [keeping({name: np.abs(kernel) > size for name, kernel in kernels.items()}) for size in (0.01, 0.05, 0.1)]
    expect_plain_labels(network, steps, lab.images)


class Broken(ArraySplit):
    """Images of which the third block cannot be read."""

    def pixels(self, start: int, stop: int) -> NDArray[np.float32]:
        if start >= 20:
            raise DataError("expected pixels, got damage")
        return super().pixels(start, stop)


@pytest.mark.usefixtures("small_blocks")
def test_an_error_while_reading_arrives_as_it_is_and_leaves_no_thread(model: keras.Model) -> None:
    images, before = Broken(pictures(40), np.arange(40) % 5, Scaling(1 / 255)), threading.active_count()
    with pytest.raises(DataError, match="^expected pixels, got damage$"):
        predict_steps(Network(model), one_by_one("conv_2", 6), {"images": images}, lambda _: None)
    with pytest.raises(DataError, match="^expected pixels, got damage$"):
        predict(model, images)
    assert threading.active_count() == before


def test_the_next_item_is_obtained_while_one_is_worked_on() -> None:
    obtained = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        obtained.set()
        yield 2

    with prefetched(items()) as coming:
        assert next(coming) == 1
        assert obtained.wait(5)
        assert list(coming) == [2]
