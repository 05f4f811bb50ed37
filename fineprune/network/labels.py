"""From scores to labels: the class that a network gives each image, and how many of these are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fineprune.data.split import Split
from fineprune.errors import ModelError


def best(scores: NDArray[Any]) -> NDArray[np.int32]:
    """The class with the highest of `scores`, (n, classes), of equal ones the first; raises ModelError at overflow."""
    classes: NDArray[np.int32] = scores.argmax(axis=-1).astype(np.int32)
    if not (np.take_along_axis(scores, classes[:, None], axis=-1) < np.inf).all():
        raise ModelError(
            "expected the network to give every image finite scores, got NaN or infinity: its weights or its inputs "
            "are too large; is data.pixel_scale the network's?"
        )
    return classes


def accuracy(scores: Callable[[tf.Tensor], tf.Tensor], split: Split) -> float:
    """The share of the images of `split` that get their label, read block by block; raises ModelError at overflow.

    `scores` gives a block of images, (rows, H, W, C), its (rows, classes).
    """
    right = sum(
        int((best(scores(tf.constant(images)).numpy()) == split.labels[rows]).sum()) for rows, images in split.blocks()
    )
    return right / len(split)
