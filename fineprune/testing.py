"""What the sweep demands of every strategy, as one call for its author: `check_strategy(MyStrategy)`.

>>> from fineprune.testing import check_strategy
>>> check_strategy(MyStrategy)

RULES are tried on small networks of many kinds, NETWORKS, in the settings that the class names as its `trials`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras as keras
from numpy.typing import NDArray

from fineprune.attacks import Patch
from fineprune.attacks.poisoning import PoisonedSplit
from fineprune.data import split as splits
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit
from fineprune.errors import NotApplicable, StrategyError
from fineprune.evaluation.predict import predict, predict_steps
from fineprune.files import save_model
from fineprune.network.contract import listed
from fineprune.network.network import Network
from fineprune.network.step import Step
from fineprune.strategy import Strategy

layers = keras.layers

SHAPE, CLASSES = (12, 10, 3), 5


def _classifier(image: Any, x: Any, name: str) -> keras.Model:
    return seeded(keras.Model(image, layers.Dense(CLASSES, activation="softmax", name="output")(x), name=name))


def plain() -> keras.Model:
    """Convolution, pooling, convolution, pooling, dense; without BatchNorm."""
    image = layers.Input(SHAPE, name="image")
    x = layers.Conv2D(4, 3, activation="relu", name="conv_1")(image)
    x = layers.MaxPooling2D(name="pool_1")(x)
    x = layers.Conv2D(6, 2, activation="relu", name="conv_2")(x)
    x = layers.Flatten(name="flatten")(layers.MaxPooling2D(name="pool_2")(x))
    return _classifier(image, layers.Dense(8, activation="relu", name="hidden")(x), "plain")


def normalised(use_bias: bool = False) -> keras.Model:
    """BatchNorm between convolution and activation, without bias."""
    image = layers.Input(SHAPE, name="image")
    x = image
    for number, channels in enumerate((4, 6), start=1):
        x = layers.Conv2D(channels, 3, use_bias=use_bias, name=f"conv_{number}")(x)
        x = layers.ReLU(name=f"relu_{number}")(layers.BatchNormalization(name=f"norm_{number}")(x))
    return _classifier(image, layers.GlobalAveragePooling2D(name="pool")(x), "normalised")


def residual() -> keras.Model:
    """A sum of two branches before the pooling, each with BatchNorm, one of them without γ."""
    image = layers.Input(SHAPE, name="image")
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="stem")(image)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_norm")(x))
    y = layers.Conv2D(6, 3, padding="same", name="inner")(x)
    y = layers.Activation("relu", name="inner_relu")(layers.BatchNormalization(name="inner_norm")(y))
    y = layers.Conv2D(6, 3, padding="same", name="outer")(y)
    y = layers.BatchNormalization(scale=False, name="outer_norm")(y)
    x = layers.Activation("relu", name="sum_relu")(layers.Add(name="sum")([x, y]))
    return _classifier(image, layers.GlobalAveragePooling2D(name="pool")(x), "residual")


def concatenated() -> keras.Model:
    """Two branches side by side, then BatchNorm and activation, before the pooling; one of them separable."""
    image = layers.Input(SHAPE, name="image")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="stem")(image)
    y = layers.PReLU(name="branch_prelu")(layers.SeparableConv2D(3, 3, padding="same", name="branch")(x))
    x = layers.BatchNormalization(name="norm")(layers.Concatenate(name="concat")([x, y]))
    x = layers.Activation("relu", name="relu")(x)
    return _classifier(image, layers.GlobalAveragePooling2D(name="pool")(x), "concatenated")


def nested() -> keras.Model:
    """A network inside the network, as transfer learning makes it."""
    inside = plain()
    base = keras.Model(inside.inputs, inside.get_layer("pool_2").output, name="base")
    image = layers.Input(SHAPE, name="image")
    return _classifier(image, layers.GlobalAveragePooling2D(name="pool")(base(image)), "nested")


def grayscale() -> keras.Model:
    """For images of one channel."""
    image = layers.Input((*SHAPE[:2], 1), name="image")
    x = layers.MaxPooling2D(name="pool")(layers.Conv2D(4, 3, activation="relu", name="conv")(image))
    return _classifier(image, layers.Flatten(name="flatten")(x), "grayscale")


def one_channel() -> keras.Model:
    """A single channel before the pooling."""
    image = layers.Input(SHAPE, name="image")
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(1, 3, name="conv")(image))
    x = layers.MaxPooling2D(name="pool")(layers.ReLU(name="relu")(x))
    return _classifier(image, layers.Flatten(name="flatten")(x), "one_channel")


def no_pooling() -> keras.Model:
    """Convolutions with strides instead."""
    image = layers.Input(SHAPE, name="image")
    x = layers.Conv2D(4, 3, 2, activation="relu", name="conv")(image)
    return _classifier(image, layers.Flatten(name="flatten")(x), "no_pooling")


NETWORKS: Mapping[str, Callable[[], keras.Model]] = {
    build.__name__: build
    for build in (plain, normalised, residual, concatenated, nested, grayscale, one_channel, no_pooling)
}


def seeded(model: keras.Model, seed: int = 0) -> keras.Model:
    """`model` with all weights and statistics drawn at random, none of them zero, that gives images many classes."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        fan_in = max(1, int(np.prod(variable.shape[:-1])))
        values = random.normal(0, 1.5 / np.sqrt(fan_in), variable.shape)
        if len(variable.shape) == 1:
            values = random.normal(0, 0.3, variable.shape)
        positive = "variance" in variable.name or "gamma" in variable.name
        variable.assign((0.5 + np.abs(values) if positive else values).astype(variable.dtype.as_numpy_dtype))
    for layer in model._flatten_layers():
        layer.finalize_state()
    images = pictures(64, model.input_shape[1:]).astype(np.float32) / 255
    features = keras.Model(model.inputs, model.layers[-1].input)(images).numpy()  # tracing takes longer
    kernel = model.layers[-1].get_weights()[0] / (features.std(axis=0)[:, None] + 0.01)
    model.layers[-1].set_weights([kernel, -features.mean(axis=0) @ kernel])
    return model


def pictures(count: int, shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> NDArray[np.uint8]:
    """Random images, (count, H, W, C), each of another brightness and another tint."""
    random = np.random.default_rng(seed)
    tint = random.uniform(0.1, 1, (count, 1, 1, shape[2]))
    return (random.integers(0, 256, (count, *shape)) * tint).astype(np.uint8)


@dataclass(frozen=True)
class Case:
    """A strategy, made anew by each call of `make`, and a network to try it on."""

    make: Callable[[], Strategy]
    model: keras.Model
    images: int = 43

    def __post_init__(self) -> None:
        self.weights  # noqa: B018  as they are before the strategy sees them

    @cached_property
    def weights(self) -> list[NDArray[Any]]:
        """The network's, when the case was made."""
        return [array.copy() for array in self.model.get_weights()]

    @property
    def clean(self) -> ArraySplit:
        """Clean images with labels."""
        return ArraySplit(
            pictures(self.images, self.model.input_shape[1:]), np.arange(self.images) % CLASSES, Scaling(1 / 255)
        )

    @cached_property
    def steps(self) -> list[Step]:
        """All steps; raises NotApplicable where the strategy does not apply."""
        return self.again()

    def again(self) -> list[Step]:
        """The same, by the strategy made anew."""
        strategy, clean = self.make(), self.clean
        poisoned = {"patch": PoisonedSplit(clean, Patch(), CLASSES)}
        return list(strategy.steps(Network(self.model), clean, **({"poisoned": poisoned} if strategy.oracle else {})))


def steps_fit(case: Case) -> None:
    """The sweep takes every step, and they go from least to most pruned."""
    steps = listed(Network(case.model), case.steps, type(case.make()).__name__)
    shares = [step.fraction for step in steps]
    _expect(shares == sorted(shares), "steps from least to most pruned", str(shares), "sort them")


def steps_repeat(case: Case) -> None:
    """The same settings give the same steps, and the network stays as it was."""
    first, again = case.steps, case.again()
    same = len(first) == len(again) and all(map(_same_step, first, again))
    _expect(same, "the same steps again", "others", "draw from a generator that a setting seeds")
    _expect(
        _same(case.weights, case.model.get_weights()),
        "the network as it was",
        "other weights",
        "work on network.logits",
    )


def later_blocks_count(case: Case) -> None:
    """Images are read in blocks, and those of all blocks count alike."""
    steps = case.steps
    with _blocks_of(10):
        again = case.again()
    same = len(steps) == len(again) and all(_same_step(*pair, close=True) for pair in zip(steps, again, strict=True))
    _expect(same, "the same steps whatever the size of blocks", "others", "go through all of split.blocks()")


def sweep_is_exact(case: Case) -> None:
    """The sweep gives each image the label that the pruned net, built and run by itself, gives it."""
    network, clean, steps = Network(case.model), case.clean, case.steps
    with _blocks_of(10):
        labels = predict_steps(network, steps, {"clean": clean}, lambda _: None)["clean"]
        for row in np.unique(np.linspace(0, len(steps), 6, dtype=int)):
            net = network.pruned(steps[row - 1]) if row else case.model
            equal = np.array_equal(labels[row], predict(net, clean))
            _expect(equal, "the labels of the pruned net", f"others in step {row}", "report it")


def saved_nets_load(case: Case) -> None:
    """A pruned net that is saved is one that plain tf_keras loads, and gives the same labels."""
    network, clean, steps = Network(case.model), case.clean, case.steps
    for step in {0, len(steps) // 2, len(steps) - 1}:
        net = network.pruned(steps[step])
        with tempfile.TemporaryDirectory() as folder:
            save_model(net, Path(folder) / "net.h5")
            loaded = keras.models.load_model(Path(folder) / "net.h5", compile=False)
        equal = np.array_equal(predict(net, clean), predict(loaded, clean))
        _expect(equal, "the same labels once saved and loaded", f"others in step {step + 1}", "report it")


def reasons_say_what_to_do(case: Case) -> None:
    """Where the strategy does not apply, it says in one line what it expected, what it got, and what to do."""
    try:
        case.steps  # noqa: B018  is what may raise it
    except NotApplicable as reason:
        text = str(reason)
        complete = text.startswith("expected ") and ", got " in text and ": " in text and "\n" not in text
        _expect(complete, "'expected …, got …: do …' in one line", repr(text), "write NotApplicable so")


Rule = Callable[[Case], None]
RULES: tuple[Rule, ...] = (
    reasons_say_what_to_do,
    steps_fit,
    steps_repeat,
    later_blocks_count,
    sweep_is_exact,
    saved_nets_load,
)


def check_strategy(kind: type[Strategy], networks: Mapping[str, Callable[[], keras.Model]] = NETWORKS) -> None:
    """Try every rule in every trial of the strategy on every network; raises StrategyError, naming what was broken.

    It has to apply to at least one of `networks`.
    """
    for settings in kind.trials:
        applies = 0
        for name, build in networks.items():
            case = Case(lambda settings=settings: kind(**settings), build())  # type: ignore[misc]
            for rule in RULES:
                try:
                    rule(case)
                    applies += 1
                except NotApplicable:
                    continue
                except StrategyError as reason:
                    case_name = f"{kind.__name__}({settings}) on {name}"
                    raise StrategyError(
                        f"expected {case_name} to keep {rule.__name__}, got: {reason}; it is a bug"
                    ) from reason
        _expect(applies > len(networks), f"{kind.__name__} to apply to a network", "none", "see what it raises")


def _expect(holds: bool, expected: str, got: str, advice: str) -> None:
    if not holds:
        raise StrategyError(f"expected {expected}, got {got}: to mend it, {advice}")


def _same_step(ours: Step, theirs: Step, close: bool = False) -> bool:
    """Whether both hold the same edits; with `close`, but for what rounding does to a training."""
    return len(ours.edits) == len(theirs.edits) and all(
        type(one) is type(other)
        and one.layer == other.layer
        and all(_same(_arrays(one, field.name), _arrays(other, field.name), close) for field in fields(one)[1:])
        for one, other in zip(ours.edits, theirs.edits, strict=True)
    )


def _arrays(edit: Any, name: str) -> list[Any]:
    value = getattr(edit, name)
    return list(value) if name == "weights" else [value]


def _same(ours: list[Any], theirs: list[Any], close: bool = False) -> bool:
    equal = _close if close else np.array_equal
    return len(ours) == len(theirs) and all(map(equal, ours, theirs))


def _close(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
    return np.shape(ours) == np.shape(theirs) and bool(np.mean(np.isclose(ours, theirs, atol=1e-3)) > 0.98)


@contextmanager
def _blocks_of(images: int) -> Iterator[None]:
    before, splits.BLOCK = splits.BLOCK, images
    try:
        yield
    finally:
        splits.BLOCK = before
