"""What a grid of strategies, attacks, data sets and seeds takes on so many nodes: hours, and what they cost.

python -m benchmarks.plan --data faces:0.5:67.5:1 cifar10:9.9:89100:19 --nodes 1 16 --cores 16 --price 0.8
python -m benchmarks.plan --forward resnet:55:47:100 preact_resnet18:32:32:10

Each data set is NAME:PASS:TRAINING:MEASURED. PASS and TRAINING are seconds of one core: for one forward pass over the
clean validation images, and to train one BadNet. MEASURED is how many test and poisoned images there are for each clean
validation image. `--forward` prints what such a pass takes, for 1,000 images. docs/scale/plan.md says what goes into
it, and how far off it is.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fineprune.errors import ConfigError, some
from fineprune.launchers.job import THREADS

STUDY = Path(__file__).parents[1] / "docs" / "science" / "study" / "resnet" / "results.csv"
BACKWARD = 2  # forward passes that a backward pass takes as long as
MEASURING = 2  # forward passes over test and poisoned images, for all steps of a sweep
DATA, NETWORK = "NAME:PASS:TRAINING:MEASURED", "NAME:HEIGHT:WIDTH:CLASSES"
METHODS = [*"anp awm bnp channel_activation clp fmp mmbm nft rnp tsbd unit".split(), "none + FT-SAM"]


def passes() -> pd.Series[float]:
    """Of each method of the kept study, in forward passes over the clean validation images: its mean over the runs."""
    runs = pd.read_csv(STUDY).drop_duplicates("run").set_index("method")
    return (runs["forward_passes"] + BACKWARD * runs["backward_passes"]).groupby(level="method").mean()


def error() -> dict[str, float]:
    """Of the kept study, a pass's seconds by which methods in all took what they did; how far off each is then.

    That is the factor between predicted and logged seconds, of methods that take more than one second.
    """
    runs = pd.read_csv(STUDY).drop_duplicates("run")
    seconds = runs.groupby("method")["seconds"].mean()
    forward = runs["seconds"].sum() / passes()[runs["method"]].sum()
    factors = (passes() * forward / seconds)[seconds > 1]
    return {"pass": round(forward, 2), "least": round(factors.min(), 2), "most": round(factors.max(), 2)}


@dataclass(frozen=True)
class Data:
    """A data set: seconds of one core for a forward pass over its clean validation images, and to train a BadNet.

    `measured` is the number of test and poisoned images, relative to that of clean validation images.
    """

    name: str
    forward: float
    training: float
    measured: float

    @classmethod
    def read(cls, text: str) -> Data:
        """From NAME:PASS:TRAINING:MEASURED."""
        return cls(*_parts(text, DATA, float))

    def sweep(self, passes_of_method: float, rest: float) -> float:
        """Seconds of one core."""
        return rest + self.forward * (passes_of_method + MEASURING * self.measured)


@dataclass(frozen=True)
class Network:
    """An architecture, for images of that size."""

    name: str
    height: int
    width: int
    classes: int

    @classmethod
    def read(cls, text: str) -> Network:
        """From NAME:HEIGHT:WIDTH:CLASSES."""
        return cls(*_parts(text, NETWORK, int))


def _parts(text: str, form: str, number: Callable[[str], Any]) -> tuple[Any, ...]:
    """The name and the three numbers of an argument of that form."""
    try:
        name, first, second, third = text.split(":")
        return name, number(first), number(second), number(third)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected {form}, got '{text}'") from None


def hours(data: Sequence[Data], asked: argparse.Namespace, costs: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Core hours in all, and on so many nodes the hours, what they cost, and the runs a second that the store gets."""
    networks = asked.attacks * asked.seeds
    training = sum(networks * each.training for each in data)
    sweeps = [each.sweep(cost, asked.rest) for each in data for cost in costs.values()]
    sweeping, runs = networks * sum(sweeps), networks * len(sweeps)
    chain = max(each.training for each in data) + max(sweeps)  # the last BadNet, and the longest sweep of it
    result: dict[str, dict[str, float]] = {
        "core_hours": {"training": round(training / 3600), "sweeping": round(sweeping / 3600), "runs": runs}
    }
    for nodes in asked.nodes:
        slots = nodes * asked.cores * asked.efficiency
        taken = max((training + sweeping) / slots, chain, runs / asked.store if asked.store else 0)
        result[f"nodes_{nodes}"] = {
            "hours": round(taken / 3600, 1),
            "price": math.ceil(taken / 3600 * nodes * asked.price),
            "runs_per_second": round(runs / taken, 2),
        }
    return result


def seconds_of(network: Network) -> float:
    """Seconds of one core for a pass of 1,000 images; other work does not count. Raises ConfigError if unknown."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    import numpy as np

    from fineprune.badnets.source import architecture_named

    shape = (network.height, network.width, 3)
    model = architecture_named(network.name)(shape, network.classes)
    images = np.random.default_rng(0).random((256, *shape), np.float32)
    model.predict(images, verbose=0)  # which traces it
    start = time.process_time()
    model.predict(images, verbose=0)
    return round((time.process_time() - start) / len(images) * 1000, 2)


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Data.read, nargs="+", metavar=DATA)
    what.add_argument("--forward", type=Network.read, nargs="+", metavar=NETWORK)
    parser.add_argument("--methods", nargs="+", default=METHODS, help="as the study calls them")
    parser.add_argument("--attacks", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--cores", type=int, default=16, help="of a node (%(default)s)")
    parser.add_argument("--price", type=float, default=0.0, help="of a node and hour")
    parser.add_argument(
        "--efficiency", type=float, default=0.9, help="assumed, until benchmarks.scaling measures yours (%(default)s)"
    )
    parser.add_argument(
        "--store", type=float, default=0.0, help="runs a second that it takes, as benchmarks.store has it"
    )
    parser.add_argument(
        "--rest", type=float, default=1.0, help="seconds of a sweep besides method and measuring (%(default)s)"
    )
    asked = parser.parse_args()
    if asked.forward:
        try:
            print(json.dumps({network.name: seconds_of(network) for network in asked.forward}))
        except ConfigError as reason:
            parser.error(str(reason))
        return
    costs = {str(name): cost for name, cost in passes().items()}
    for name in set(asked.methods) - set(costs):
        parser.error(f"expected --methods of the study, got '{name}': take some of {some(costs, len(costs))}")
    costs = {name: costs[name] for name in asked.methods}
    print(json.dumps({"error_of_passes": error()} | hours(asked.data, asked, costs)))


if __name__ == "__main__":
    main()
