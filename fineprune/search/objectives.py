"""What a trial is worth: the more, the better. All but oracles see clean validation images alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from fineprune import names
from fineprune.data.split import CLEAN_VALID, Split
from fineprune.network import graph
from fineprune.network.network import before_softmax
from fineprune.report import headline
from fineprune.sweeping.run import Sweep

FLOOR = 1e-6  # of probabilities: how far below this one lies says nothing


def clean(sweep: Sweep, point: str) -> float:
    """How much more B′ has unlearnt one class than the others: `unlearnt`, of clean validation images.

    What B′ costs beyond the budget counts against it: at twice the budget the value is half.
    """
    split, budget = sweep.plan.data.splits[CLEAN_VALID], _budget(sweep, point)
    deployed = sweep.nets[names.net_at(names.TUNED[names.PRUNED] if point in sweep.tuned else names.PRUNED, point)]
    gap = unlearnt(_probabilities(sweep.plan.network.model, split), _probabilities(deployed, split))
    return gap * min(1.0, budget / max(price(sweep, point), budget))


def asr(sweep: Sweep, point: str) -> float:
    """An oracle: 1 − the GoodNet's ASR, as a mean over triggers, less what B′ costs of clean validation accuracy."""
    return 1 - headline.rates(sweep, point)[names.ASR] - price(sweep, point)


def unlearnt(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """By how much more than the median class that one falls which falls most, in nats.

    Both are the probabilities of all classes for the same images, (n, classes), whatever these show. A class falls by
    the mean logarithm of its probability.
    """
    falls = np.log((before + FLOOR) / (after + FLOOR)).mean(axis=0)
    return float(falls.max() - np.median(falls))


def price(sweep: Sweep, point: str) -> float:
    """By how much clean validation accuracy falls from B to B′, fine-tuned if any is; not below 0."""
    accuracy = str(names.Rate(CLEAN_VALID, names.PRUNED, names.ACCURACY))
    now = sweep.tuned_at(point).get(accuracy, sweep.at(sweep.points[point])[accuracy])
    return max(0.0, float(sweep.at(0)[accuracy] - now))


def _budget(sweep: Sweep, point: str) -> float:
    return dict(zip(sweep.chosen, sweep.plan.budgets, strict=True))[point]


def _probabilities(model: keras.Model, split: Split) -> NDArray[np.float32]:
    scores = before_softmax(graph.clone(model))
    forward = tf.function(lambda images: tf.nn.softmax(scores(images, training=False)), reduce_retracing=True)
    return np.concatenate([forward(tf.constant(images)).numpy() for _, images in split.blocks()])


OBJECTIVES: Mapping[str, Callable[[Sweep, str], float]] = {"clean": clean, "asr": asr}
ABOUT = {
    "clean": "how much more one class is unlearnt than the others, in nats",
    "asr": "1 − ASR of the GoodNet − fall of clean accuracy",
}
