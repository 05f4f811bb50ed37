"""What a sweep is going to do: settings checked, steps listed, nothing measured yet."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fineprune.aftermath import Aftermath
from fineprune.badnets.source import BadNet
from fineprune.data.split import CLEAN_VALID, Data, Split, hold_out
from fineprune.errors import ConfigError, Doubt
from fineprune.network.contract import listed
from fineprune.network.network import Network
from fineprune.network.passes import Passes
from fineprune.network.step import Step
from fineprune.progress import stage
from fineprune.strategy import Strategy
from fineprune.sweeping import aftermath, plausible
from fineprune.sweeping.budgets import check
from fineprune.training.fine_tuning import FineTuning

SEEN = "seen by strategy and fine-tuning"


@dataclass(frozen=True)
class Plan:
    """A sweep that has been checked and whose steps are listed, but which has not been measured.

    `seen` holds the clean validation images that the strategy saw and that fine-tuning may see. `data` holds what is
    measured; budgets are judged by its `clean_valid`. Where something trains and there are budgets, these are other
    images than `seen`, else the same. `passes` are the images that each part sent through the
    network. `doubts` are what makes the results doubtful, one line each. `stages` come after the nets of each budget.
    `ranked_at` names the layers that were ranked by what another one emits, and that one.
    """

    network: Network
    data: Data
    seen: Split
    steps: Sequence[Step]
    budgets: Sequence[float]
    finetuning: FineTuning | None
    seed: int
    seconds: Mapping[str, float]
    doubts: Sequence[str] = ()
    passes: Mapping[str, Passes] = field(default_factory=dict)
    stages: Sequence[Aftermath] = ()
    ranked_at: Mapping[str, str] = field(default_factory=dict)

    @property
    def splits(self) -> dict[str, Split]:
        """What is measured, by name, and what the strategy and fine-tuning see."""
        return {**self.data.splits, SEEN: self.seen}

    @property
    def clean_images(self) -> int:
        """How many clean validation images there are: those seen, and those that judge."""
        judging = self.data.splits[CLEAN_VALID]
        return len(self.seen) + (0 if judging is self.seen else len(judging))


def plan(
    badnet: BadNet,
    strategy: Strategy,
    finetuning: FineTuning | None,
    budgets: Sequence[Any],
    held_out: float,
    seed: int,
    stages: Sequence[Aftermath] = (),
) -> Plan:
    """Check that everything fits, and list the strategy's steps. Raises a FinepruneError for a user's mistake."""
    falls = check(budgets)
    network, data = badnet.network, badnet.data
    aftermath.check(stages, data.poisoned)
    if data.clean_valid is None:
        raise ConfigError(
            "expected data.clean_valid, which ranks channels and sets budgets, got none: set data.clean_valid=FILE"
        )
    for name, split in data.splits.items():
        network.check_takes(split, name)
    with stage("reading the images"):
        for split in data.splits.values():
            _ = split.digest  # reads the whole split, so that damage shows now
        doubts = plausible.doubts(badnet, falls)
    for doubt in doubts:
        warnings.warn(doubt, Doubt, stacklevel=2)
    seen = clean = data.clean_valid
    if falls and (strategy.trains or finetuning is not None):
        seen, judging = hold_out(data.clean_valid, held_out, seed)
        data = replace(data, clean_valid=judging)
    if finetuning is not None:
        finetuning.check(network, len(seen))
    start, listing = time.perf_counter(), Passes()
    with stage(f"listing the steps of {type(strategy).__name__}"), listing.counting():
        steps = _steps(strategy, network, seen, data.poisoned)
    seconds = {"strategy": time.perf_counter() - start}
    with stage("timing a forward pass"):
        seconds["forward"] = _seconds_forward(network, clean)
    passes, ranked_at = {"strategy": listing}, strategy.ranked_at(network)
    return Plan(network, data, seen, steps, falls, finetuning, seed, seconds, doubts, passes, stages, ranked_at)


def _steps(strategy: Strategy, network: Network, clean: Split, poisoned: Mapping[str, Split]) -> list[Step]:
    if strategy.oracle and not poisoned:
        raise ConfigError("expected poisoned images, which an oracle needs, got none: set data.poisoned.NAME=FILE")
    steps = strategy.steps(network, clean, **({"poisoned": poisoned} if strategy.oracle else {}))
    return listed(network, steps, type(strategy).__name__)


def _seconds_forward(network: Network, split: Split) -> float:
    """The seconds of one plain forward pass over `split`, compilation excluded: the unit of what a sweep costs."""
    forward = plausible.compiled(network)
    forward(next(split.blocks())[1])
    start = time.perf_counter()
    for _, images in split.blocks():
        forward(images).numpy()
    return time.perf_counter() - start
