"""A sweep over channels the ways that others go about it, and this one: each in a process of its own, in turn.

python -m benchmarks.peers [--weights FILE] [--images N]

The ways of others are written anew here, on the same network and images: their packages run other frameworks.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from benchmarks.comparison import NAIVE
from benchmarks.subject import Splits, options, peak_mb, show, subject, sweep, timed
from fineprune.network.network import Network
from fineprune.network.step import Step
from fineprune.strategies.rankings.channel_activation import ChannelActivation

LEVELS = 20  # of the share that is pruned, as BackdoorBench tries thresholds
COMPILED = 300  # images: a whole batch, and a part of one

Pixels = NDArray[np.float32]
Labels = NDArray[np.int64]
Way = Callable[[Pixels], Labels]


@dataclass(frozen=True)
class Measured:
    """What a way took for a sweep, and the labels (NAIVE, images) that it found at the steps that are compared."""

    seconds: float
    evaluations: int
    peak_mb: float
    labels: list[list[int]]


def lab(model: keras.Model) -> Way:
    """The published script of the CSAW-HackML lab: Keras's `predict`, which takes 32 images at a time."""
    return lambda images: _classes([model.predict(images, verbose=0)])


def art(model: keras.Model) -> Way:
    """The Adversarial Robustness Toolbox's TensorFlowV2Classifier: 128 images at a time, the model not compiled."""
    return lambda images: _classes(model(tf.constant(each), training=False).numpy() for each in _batches(images, 128))


def backdoorbench(model: keras.Model) -> Way:
    """BackdoorBench's evaluation: 256 images at a time. Compiled, as PyTorch needs no compiling."""
    forward = tf.function(lambda batch: model(batch, training=False), reduce_retracing=True)
    return lambda images: _classes(forward(tf.constant(each)).numpy() for each in _batches(images, 256))


def _classes(scores: Iterable[Pixels]) -> Labels:
    return np.concatenate([batch.argmax(axis=1) for batch in scores])


def _batches(images: Pixels, size: int) -> Iterator[Pixels]:
    return (images[start : start + size] for start in range(0, len(images), size))


PEERS: Mapping[str, Callable[[keras.Model], Way]] = {"lab": lab, "art": art, "backdoorbench": backdoorbench}


def theirs(way: str, network: Network, steps: list[Step], splits: Splits) -> Measured:
    """All images in memory, as labs and ART have them, and every pruned net run on all of them from the pixels.

    Compiling is not counted: PyTorch has none, and one network may be changed from step to step.
    """
    images = np.empty((sum(map(len, splits.values())), *network.input_shape), np.float32)
    start = 0
    for split in splits.values():
        for _, block in split.blocks():
            images[start : (start := start + len(block))] = block
    times = []
    for row in _compared(steps):
        labels_of = PEERS[way](network.pruned(steps[row]))
        labels_of(images[:COMPILED])
        times.append(timed(partial(labels_of, images)))
    evaluations = LEVELS if way == "backdoorbench" else 1 + len(steps)
    seconds = min(seconds for seconds, _ in times) * evaluations
    return Measured(seconds, evaluations, peak_mb(), [labels.tolist() for _, labels in times])


def ours(network: Network, steps: list[Step], splits: Splits) -> Measured:
    """Every step; images are read from their files."""
    seconds, labels = timed(lambda: sweep(network, steps, splits))
    rows = 1 + _compared(steps)
    return Measured(seconds, 1 + len(steps), peak_mb(), np.hstack([each[rows] for each in labels.values()]).tolist())


def _compared(steps: list[Step]) -> NDArray[np.int64]:
    """Places of the steps that are run: each costs the same, and the fastest is scaled to all."""
    return np.linspace(0, len(steps) - 1, NAIVE).astype(int)


def measure(way: str, images: int, weights: Path | None) -> Measured:
    """One way, in this process."""
    with subject(images, weights) as (network, splits):
        steps = list(ChannelActivation().steps(network, splits["clean_valid"]))
        return ours(network, steps, splits) if way == "fineprune" else theirs(way, network, steps, splits)


def apart(way: str, settings: list[str]) -> Measured:
    """The same in a process of its own."""
    with TemporaryDirectory() as folder:
        result = Path(folder) / "measured.json"
        command = [sys.executable, "-m", "benchmarks.peers", *settings, "--way", way, "--result", str(result)]
        subprocess.run(command, check=True)  # noqa: S603
        return Measured(**json.loads(result.read_text()))


def table(measured: Mapping[str, Measured]) -> tuple[dict[str, str], dict[str, Any]]:
    """Rows for people, and figures: each way's seconds relative to this sweep's, for a pruned net and in all."""
    own = measured["fineprune"]
    rows, figures = {}, {}
    for way, each in measured.items():
        ratio = each.seconds / own.seconds
        a_net = ratio * own.evaluations / each.evaluations
        different = int((np.array(each.labels) != own.labels).sum())
        rows[way] = f"{each.seconds:.1f} s for {each.evaluations} nets, {ratio:.1f} × (a net {a_net:.1f} ×), "
        rows[way] += f"{each.peak_mb:.0f} MB, {different} other labels"
        figures[way] = {"over_fineprune": round(ratio, 2), "a_net": round(a_net, 2), "peak_rss_mb": round(each.peak_mb)}
    return rows, figures


if __name__ == "__main__":
    parser = options("Measure the ways of others beside this one.")
    parser.add_argument("--way", choices=["fineprune", *PEERS], help="this one alone, in this process")
    parser.add_argument("--result", type=Path, help="where what --way measures is written")
    settings = parser.parse_args()
    if bool(settings.way) != bool(settings.result):
        parser.error("expected --way and --result together, got one of them: give both, or neither")
    if settings.way:
        settings.result.write_text(json.dumps(asdict(measure(settings.way, settings.images, settings.weights))))
    else:
        show("A sweep by channel activation", *table({way: apart(way, sys.argv[1:]) for way in ("fineprune", *PEERS)}))
