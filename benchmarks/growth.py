"""How the cost of a sweep grows with images, with steps and with channels: docs/pictures/speed.png.

python -m benchmarks.growth [--weights FILE] [--images N]
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.subject import Splits, forward, options, subject, sweep, timed
from fineprune.data.split import Subset
from fineprune.network.network import Network
from fineprune.network.step import Silence, Step
from fineprune.strategies.rankings.channel_activation import ChannelActivation

PLOT = Path(__file__).parents[1] / "docs" / "pictures" / "speed.png"
ROUNDS = 2  # of which the fastest counts
PARTS = (0.25, 0.5, 0.75, 1.0)

Points = Mapping[str, float]


def fastest(job: Callable[[], Any]) -> float:
    """Seconds that `job` takes."""
    return min(timed(job)[0] for _ in range(ROUNDS))


def seconds(network: Network, steps: Sequence[Step], splits: Splits) -> float:
    """What a sweep takes."""
    return fastest(partial(sweep, network, list(steps), splits))


def measure(network: Network, splits: Splits) -> Mapping[str, Points]:
    """Seconds of a sweep, by what grows and how far; of a forward pass too, as images grow."""
    split = splits["clean_valid"]
    steps = list(ChannelActivation().steps(network, split))
    times: dict[str, dict[str, float]] = {"images": {}, "forward pass": {}, "steps": {}, "channels": {}}
    for part in PARTS:
        some = {"some": Subset(split, np.arange(round(len(split) * part)))}
        times["images"][str(len(some["some"]))] = seconds(network, steps, some)
        times["forward pass"][str(len(some["some"]))] = fastest(partial(forward, network.model, some))
        count = round(len(steps) * part)
        times["steps"][str(count)] = seconds(network, steps[:count], {"all": split})
    for name, unit in network.units.items():
        masks = [(np.arange(unit.channels) > last).astype(np.float32) for last in range(unit.channels)]
        pruned = [Step([Silence(name, mask)]) for mask in masks]
        times["channels"][f"{name}: {unit.channels}"] = seconds(network, pruned, {"all": split})
    return times


def draw(times: Mapping[str, Points], path: Path) -> None:
    """Three panels beside each other."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    images, steps, channels = figure.subplots(1, 3)
    for name, label in (("images", "sweep, all steps"), ("forward pass", "one plain forward pass")):
        images.plot([int(x) for x in times[name]], list(times[name].values()), "o-", label=label)
    images.set(xlabel="images", ylabel="seconds")
    images.legend(frameon=False)
    steps.plot([int(x) for x in times["steps"]], list(times["steps"].values()), "o-")
    steps.set(xlabel="steps, one channel each")
    channels.barh(list(times["channels"]), list(times["channels"].values()))
    channels.invert_yaxis()
    channels.set(xlabel="seconds; every channel of a layer, one a step")
    for panel in (images, steps):
        panel.set(xlim=0, ylim=0)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    mpl.use("agg")
    settings = options("Plot how the cost of a sweep grows.").parse_args()
    with subject(settings.images, settings.weights) as (network, splits):
        times = measure(network, splits)
    draw(times, PLOT)
    print(json.dumps(times))
