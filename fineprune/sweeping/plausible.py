"""Sweeps that would end well and mean nothing: what images, labels and network give away together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from math import sqrt

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fineprune.badnets.source import BadNet
from fineprune.data.scaling import Scaling
from fineprune.data.split import CLEAN_TEST, CLEAN_VALID, Data, Images, Labels, Split, Subset
from fineprune.errors import ModelError
from fineprune.network.labels import best
from fineprune.network.network import Network

MOST, LEAST = 256, 100  # images to look at; fewer say too little
TOGETHER = 64
FAR = 0.2  # a fall of accuracy that is no matter of taste
Forward = Callable[[Images], tf.Tensor]


def doubts(badnet: BadNet, falls: Sequence[float] = ()) -> list[str]:
    """What makes the results of a sweep with budgets of these `falls` doubtful, one line each.

    Looks at a few images of clean_valid, and of those poisoned files whose labels do not name one target.
    """
    data, forward = badnet.data, compiled(badnet.network)
    reasons = [] if data.clean_valid is None else [_of_clean(forward, data.clean_valid, bool(badnet.card))]
    reasons += [_of_poisoned(forward, split, name) for name, split in data.poisoned.items()]
    return list(filter(None, [*reasons, _of_number(data, falls), _of_test(data)]))


@lru_cache(maxsize=1)  # jobs of a grid mostly examine the same network
def compiled(network: Network) -> Forward:
    """The network as a function of images, (n, H, W, C), to scores, (n, classes)."""
    signature = [tf.TensorSpec((None, *network.input_shape))]
    forward: Forward = tf.function(lambda images: network.model(images, training=False), signature)
    return forward


def _of_number(data: Data, falls: Sequence[float]) -> str:
    """Whether a single image is worth as much as every budget allows."""
    images = len(data.clean_valid or ())
    if not images or not falls or 1 / images < max(falls):
        return ""
    return (
        f"budgets are judged by {images} images of {CLEAN_VALID}, where one is {100 / images:.0f} points of accuracy: "
        "take more, or larger budgets"
    )


def _of_test(data: Data) -> str:
    """Whether budgets are judged by the very images that measure what is left."""
    if data.clean_valid is None or data.clean_test is None or data.clean_valid.digest != data.clean_test.digest:
        return ""
    return f"{CLEAN_VALID} and {CLEAN_TEST} are the same images, so that clean accuracy is too good: take others"


def _of_clean(forward: Forward, split: Split, trained_here: bool) -> str:
    """Whether another scale suits the network far better, or else whether it does no better than guessing."""
    some = _some(split)
    if some is None:
        return ""
    right = _right(forward, some, split.scaling)
    text = f"the BadNet is right on {right:.0%} of {len(some)} images of {CLEAN_VALID}"
    if right < 1 - FAR:
        rights = {setting: _right(forward, some, scaling) for setting, scaling in _usual(split).items()}
        setting = max(rights, key=rights.__getitem__)
        if rights[setting] > right + FAR:
            return f"{text}, and would be on {rights[setting]:.0%} with {setting}: set that"
    guessing = np.bincount(some.labels).max() / len(some)
    if right <= guessing + 3 * sqrt(guessing * (1 - guessing) / len(some)):
        mend = "raise badnet.epochs" if trained_here else "are images, classes and data.pixel_scale the network's?"
        return f"{text}, about as many as by guessing, so that no result means anything: {mend}"
    return ""


def _of_poisoned(forward: Forward, split: Split, name: str) -> str:
    """Whether labels that no attack planted here gave are those of several classes, as true classes are."""
    some = None if split.true_labels is not None else _some(split)
    if some is None or _share(some.labels)[1] > 1 / 2:
        return ""
    target, share = _share(_classes(forward, some, split.scaling))
    text = f"the labels of data.poisoned.{name} are {len(np.unique(some.labels))} classes rather than one target"
    said = f"; the BadNet says {target} for {share:.0%} of its images" if share > 1 / 2 else ""
    setting = f"data.target={target if said else 'CLASS'}"
    return f"{text}{said}: if they are the true classes, ASR is only accuracy; set {setting}, the attacker's class"


def _usual(split: Split) -> dict[str, Scaling]:
    """Pixels as networks usually take them, by the settings that make them so."""
    ones = (1.0,) * split.shape[2]
    alone = "" if split.scaling.is_plain else " data.mean=null data.std=null"
    usual = {
        f"data.pixel_scale=1{alone}": Scaling(),
        f"data.pixel_scale=1/255{alone}": Scaling(1 / 255),
        f"data.pixel_scale=1/127.5 'data.mean=[{','.join('1' for _ in ones)}]' data.std=null": Scaling(1 / 127.5, ones),
    }
    if len(ones) == 3:
        imagenet = "'data.mean=[0.485,0.456,0.406]' 'data.std=[0.229,0.224,0.225]'"
        usual[f"data.pixel_scale=1/255 {imagenet}"] = Scaling(1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    return usual


def _some(split: Split) -> Split | None:
    """Images from all over `split`; None where there are too few to say anything."""
    rows = np.unique(np.linspace(0, len(split) - 1, MOST).astype(np.intp))
    return Subset(split, rows) if len(rows) >= LEAST else None


def _share(labels: Labels | NDArray[np.int32]) -> tuple[int, float]:
    """The most frequent of `labels`, and its share."""
    counts = np.bincount(labels)
    return int(counts.argmax()), float(counts.max() / len(labels))


def _right(forward: Forward, split: Split, scaling: Scaling) -> float:
    """The share of the images that the network classifies well; of none where it cannot take them."""
    try:
        return float(np.mean(_classes(forward, split, scaling) == split.labels))
    except ModelError:
        return 0.0


def _classes(forward: Forward, split: Split, scaling: Scaling) -> NDArray[np.int32]:
    return np.concatenate([best(forward(images).numpy()) for images in _scaled(split, scaling)])


def _scaled(split: Split, scaling: Scaling) -> Iterator[Images]:
    for start in range(0, len(split), TOGETHER):
        yield scaling(split.pixels(start, min(start + TOGETHER, len(split))))
