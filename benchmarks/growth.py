"""How the cost of a sweep grows with images, with steps and with channels: docs/speed.png.

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

from benchmarks.subject import Splits, arguments, forward, subject, sweep, timed
from fineprune.network import Network
from fineprune.splits import Subset
from fineprune.strategy import Step
from strategies.channel_activation import ChannelActivation

PLOT = Path(__file__).parents[1] / "docs" / "speed.png"
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
    """Seconds of a sweep, by what grows and by how far it has grown; of a forward pass too, beside the images."""
    split = splits["clean_valid"]
    steps = list(ChannelActivation().steps(network, split))
    found: dict[str, dict[str, float]] = {"images": {}, "forward pass": {}, "steps": {}, "channels": {}}
    for part in PARTS:
        some = {"some": Subset(split, np.arange(round(len(split) * part)))}
        found["images"][str(len(some["some"]))] = seconds(network, steps, some)
        found["forward pass"][str(len(some["some"]))] = fastest(partial(forward, network.model, some))
        count = round(len(steps) * part)
        found["steps"][str(count)] = seconds(network, steps[:count], {"all": split})
    for name, unit in network.units.items():
        pruned = [Step({name: (np.arange(unit.channels) > last).astype(np.float32)}) for last in range(unit.channels)]
        found["channels"][f"{name}: {unit.channels}"] = seconds(network, pruned, {"all": split})
    return found


def draw(found: Mapping[str, Points], path: Path) -> None:
    """Three panels beside each other."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    images, steps, channels = figure.subplots(1, 3)
    for name, label in (("images", "sweep, all steps"), ("forward pass", "one plain forward pass")):
        images.plot([int(x) for x in found[name]], list(found[name].values()), "o-", label=label)
    images.set(xlabel="images", ylabel="seconds")
    images.legend(frameon=False)
    steps.plot([int(x) for x in found["steps"]], list(found["steps"].values()), "o-")
    steps.set(xlabel="steps, one channel each")
    channels.barh(list(found["channels"]), list(found["channels"].values()))
    channels.invert_yaxis()
    channels.set(xlabel="seconds; every channel of a layer, one a step")
    for panel in (images, steps):
        panel.set(xlim=0, ylim=0)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    mpl.use("agg")
    settings = arguments("Plot how the cost of a sweep grows.")
    with subject(settings.images, settings.weights) as (network, splits):
        found = measure(network, splits)
    draw(found, PLOT)
    print(json.dumps(found))
