"""How many images go through networks, forward and backward: counted where they go, whatever loop sends them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import tensorflow as tf


@dataclass
class Passes:
    """Images that went `forward` and `backward` through a network or a part of it, each as often as it did."""

    forward: float = 0
    backward: float = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Add what goes through within this block."""
        before = _counts().numpy()
        yield
        forward, backward = _counts().numpy() - before
        self.forward += int(forward)
        self.backward += int(backward)

    def over(self, images: int) -> Passes:
        """The same as passes over so many images."""
        return Passes(self.forward / images, self.backward / images)


def add(forward: int, backward: int = 0) -> None:
    """Count so many images."""
    _counts().assign_add([forward, backward])


def counted(scores: tf.Tensor) -> tf.Tensor:
    """`scores`, (n, …), of n images that went forward; each of their gradients that is used counts n backward.

    It counts when it runs, so in compiled functions, loops and inner gradients as well.
    """
    through = _counted(scores)
    through.set_shape(scores.shape)  # which a function for many shapes does not know
    return through


# A function, since TensorFlow keeps for ever whatever a gradient of one's own is traced in: else each training's graph.
@tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
@tf.custom_gradient  # type: ignore[untyped-decorator]
def _counted(scores: tf.Tensor) -> tuple[tf.Tensor, Any]:
    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([_counts().assign_add([0, images])]):
            return tf.identity(upstream)

    images = tf.shape(scores, tf.int64)[0]
    with tf.control_dependencies([_counts().assign_add([images, 0])]):
        return tf.identity(scores), gradient


@cache
def _counts() -> tf.Variable:
    """Images forward and backward since the start; made when first asked for, since it starts TensorFlow's threads."""
    with tf.init_scope():
        return tf.Variable([0, 0], trainable=False, dtype=tf.int64)
