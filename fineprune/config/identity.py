"""Whether two runs, or two grids, are the same: decided by what determines results, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from fineprune.identity import code, code_of, decides

if TYPE_CHECKING:
    from fineprune.aftermath import Aftermath
    from fineprune.badnets.source import BadNet
    from fineprune.strategy import Strategy
    from fineprune.training.fine_tuning import FineTuning

# Those of data, attack and BadNet are left out: their outcome, the images and the network, is hashed itself.
SETTINGS = ("aftermath", "budgets", "finetune", "held_out", "seed", "strategy")
MEASURING = ("data", "evaluation", "goodnet", "network", "strategy", "sweeping")


def of_run(
    settings: Mapping[str, str],
    names: Mapping[str, str],
    badnet: BadNet,
    strategy: Strategy,
    finetuning: FineTuning | None,
    stages: Sequence[Aftermath] = (),
) -> str:
    """A hash of all that decides a run's results: settings, images, network, code, and the names in its tables.

    `settings` are flat, as `strategy.chunk`; `names` are those of strategy, data and so on, which stand in every table.
    """
    decisive = {key: value for key, value in settings.items() if key.split(".")[0] in SETTINGS}
    splits = badnet.data.splits
    trains = [] if finetuning is None else [finetuning]
    parts = [
        *(sorted(pairs.items()) for pairs in (decisive, names)),
        [(name, split.digest) for name, split in splits.items()],
        badnet.network.model.to_json(),
        code("fineprune.sweeping.run", within=MEASURING),
        code_of([strategy, *trains, *stages, *splits.values()]),
    ]
    sha = hashlib.sha256(repr(parts).encode())
    for array in badnet.network.model.get_weights():
        sha.update(array.tobytes())
    return sha.hexdigest()[:16]


def of_grid(overrides: Iterable[str]) -> str:
    """A short name for the grid of these overrides: independent of their order and of settings that are only paths."""
    deciding = sorted(text for text in overrides if decides(text.lstrip("+~").partition("=")[0]))
    return hashlib.sha256(repr(deciding).encode()).hexdigest()[:6]
