"""What the sweep demands of every strategy: RULES, tried on networks of many kinds in the `trials` of the class."""

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
from fineprune.testing.networks import CLASSES, NETWORKS, pictures


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
        for row in np.unique(np.linspace(0, len(steps), 4, dtype=int)):
            net = network.pruned(steps[row - 1]) if row else case.model
            equal = np.array_equal(labels[row], predict(net, clean))
            _expect(equal, "the labels of the pruned net", f"others in step {row}", "report it")


def saved_nets_load(case: Case) -> None:
    """The net pruned most, which holds every kind of edit, is saved as one that plain tf_keras loads, scores equal."""
    net = Network(case.model).pruned(case.steps[-1])
    _, images = next(case.clean.blocks())
    with tempfile.TemporaryDirectory() as folder:
        save_model(net, Path(folder) / "net.h5")
        loaded = keras.models.load_model(Path(folder) / "net.h5", compile=False)
    equal = np.allclose(net(images), loaded(images), atol=1e-6)
    _expect(equal, "the same scores once saved and loaded", "others", "report it")


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
