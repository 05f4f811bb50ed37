"""Sweeps of other networks: of the channels before the last pooling, one a step, and of the channels of every layer.

python -m benchmarks.networks [--images N]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tf_keras as keras

from benchmarks.comparison import measured
from benchmarks.subject import Splits, show
from fineprune.badnets.architectures import resnet
from fineprune.badnets.architectures.mobilenet import mobilenet_v2
from fineprune.badnets.architectures.residual import resnet18
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit
from fineprune.network.network import Network
from fineprune.strategies.rankings.channel_activation import ChannelActivation
from fineprune.testing.networks import pictures

SHAPE, CLASSES = (32, 32, 3), 10
NETWORKS: dict[Callable[..., keras.Model], int] = {resnet: 8, resnet18: 200, mobilenet_v2: 700}  # channels a step


def sweeps(splits: Splits) -> Iterator[tuple[str, dict[str, float]]]:
    """What is swept, and its figures. Weights are random: fewer channels of a trained network may be active."""
    for build, chunk in NETWORKS.items():
        keras.utils.set_random_seed(0)
        network = Network(build(SHAPE, CLASSES))
        last = ChannelActivation()
        every = ChannelActivation(layers="all", normalise="z", chunk=chunk)
        for what, strategy in (("the last layer", last), (f"every layer, {chunk} channels a step", every)):
            steps = list(strategy.steps(network, splits["images"]))
            figures = measured(network, steps, splits)[1]
            del figures["peak_rss_mb"]  # which is that of all before, too
            yield f"{build.__name__}, {what}", figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure sweeps of other networks.")
    parser.add_argument("--images", type=int, default=1000)
    images = parser.parse_args().images
    split = ArraySplit(pictures(images, SHAPE), np.arange(images) % CLASSES, Scaling(1 / 255))
    figures: dict[str, Any] = dict(sweeps({"images": split}))
    rows = {
        what: f"{each['steps']} steps: {each['sweep_over_forward']:.1f} passes, naive {each['naive_over_sweep']:.1f} ×"
        for what, each in figures.items()
    }
    show("Sweeps of other networks", rows, figures)
