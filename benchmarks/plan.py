"""What a grid of strategies, attacks, data sets and seeds takes on so many nodes: hours, and what they cost.

python -m benchmarks.plan --data faces:0.5:60 cifar10:9:80000 --nodes 1 16 --cores 16 --price 0.8
python -m benchmarks.plan --forward resnet:55:47:100 preact_resnet18:32:32:10

Each data set is NAME:PASS:TRAINING, in seconds of one core: one forward pass over the clean validation images, and the
training of one BadNet. `--forward` prints what such a pass takes, for 1,000 images. docs/how_to/plan.md says what goes
into it, and how far off it is.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fineprune.launchers.job import THREADS

STUDY = Path(__file__).parents[1] / "docs" / "science" / "study" / "resnet" / "results.csv"
BACKWARD = 2  # forward passes that a backward pass takes as long as
METHODS = [*"anp awm bnp channel_activation clp fmp mmbm nft rnp tsbd unit".split(), "none + FT-SAM"]


def passes() -> pd.Series[float]:
    """Of each method of the kept study, in forward passes over the clean validation images: its mean over the runs."""
    runs = pd.read_csv(STUDY).drop_duplicates("run").set_index("method")
    return (runs["forward_passes"] + BACKWARD * runs["backward_passes"]).groupby(level="method").mean()


def error() -> dict[str, float]:
    """Of the kept study, predicted from passes: by which factor the methods' seconds are off, those above a second."""
    runs = pd.read_csv(STUDY).drop_duplicates("run")
    seconds = runs.groupby("method")["seconds"].mean()
    by_passes = passes() * runs["seconds"].sum() / passes()[runs["method"]].sum()
    factors = (by_passes / seconds)[seconds > 1]
    return {"least": round(factors.min(), 2), "most": round(factors.max(), 2)}


@dataclass(frozen=True)
class Data:
    """A data set: seconds of one core for a forward pass over its clean validation images, and to train a BadNet."""

    name: str
    forward: float
    training: float

    @classmethod
    def read(cls, text: str) -> Data:
        """From NAME:PASS:TRAINING."""
        name, forward, training = text.split(":")
        return cls(name, float(forward), float(training))


def hours(data: Sequence[Data], asked: argparse.Namespace, costs: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Core hours in all, and on so many nodes the hours, what they cost, and the runs a second that the store gets."""
    networks = asked.attacks * asked.seeds
    training = sum(networks * each.training for each in data)
    sweeps = [asked.rest + each.forward * cost for each in data for cost in costs.values()]
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


def seconds_of(network: str) -> float:
    """Seconds of one core for a pass of 1,000 images through NAME:HEIGHT:WIDTH:CLASSES; other work does not count."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    import numpy as np

    from fineprune.badnets.source import ARCHITECTURES

    name, *sizes = network.split(":")
    height, width, classes = map(int, sizes)
    model = ARCHITECTURES[name]((height, width, 3), classes)
    images = np.random.default_rng(0).random((256, height, width, 3), np.float32)
    model.predict(images, verbose=0)  # which traces it
    start = time.process_time()
    model.predict(images, verbose=0)
    return round((time.process_time() - start) / len(images) * 1000, 2)


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Data.read, nargs="+", metavar="NAME:PASS:TRAINING")
    what.add_argument("--forward", nargs="+", metavar="NAME:HEIGHT:WIDTH:CLASSES")
    parser.add_argument("--methods", nargs="+", default=METHODS, help="as the study calls them")
    parser.add_argument("--attacks", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--cores", type=int, default=16, help="of a node (%(default)s)")
    parser.add_argument("--price", type=float, default=0.0, help="of a node and hour")
    parser.add_argument("--efficiency", type=float, default=0.9, help="as benchmarks.scaling has it (%(default)s)")
    parser.add_argument(
        "--store", type=float, default=0.0, help="runs a second that it takes, as benchmarks.store has it"
    )
    parser.add_argument("--rest", type=float, default=4.0, help="seconds of a sweep besides its method (%(default)s)")
    asked = parser.parse_args()
    if asked.forward:
        print(json.dumps({network: seconds_of(network) for network in asked.forward}))
    else:
        print(json.dumps({"error_of_passes": error()} | hours(asked.data, asked, passes()[asked.methods].to_dict())))


if __name__ == "__main__":
    main()
