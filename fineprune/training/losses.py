"""Losses of scores before a softmax, (n, classes), each the mean over images, in nats; and how often scores agree."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras

_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """−log p of the `labels`, (n,)."""
    return _entropy(labels, logits)


def agree(ours: tf.Tensor, theirs: tf.Tensor) -> tf.Tensor:
    """−log Σ p·q of the chances p and q that two networks give the classes: low where both are sure of one."""
    return -tf.reduce_mean(tf.math.log(tf.reduce_sum(tf.nn.softmax(ours) * tf.nn.softmax(theirs), axis=-1) + 1e-8))


def disagree(ours: tf.Tensor, theirs: tf.Tensor) -> tf.Tensor:
    """−log (1 − Σ p·q): low where they are sure of different ones."""
    # Added up of small terms, since the difference is lost in rounding where both are sure of the same.
    others = tf.matmul(tf.nn.softmax(theirs), 1 - tf.eye(theirs.shape[-1]))
    return -tf.reduce_mean(tf.math.log(tf.reduce_sum(tf.nn.softmax(ours) * others, axis=-1) + 1e-8))


def same_labels(ours: tf.Tensor, theirs: tf.Tensor) -> tf.Tensor:
    """How many images two networks give the same class."""
    return tf.reduce_sum(tf.cast(tf.argmax(ours, axis=-1) == tf.argmax(theirs, axis=-1), tf.float32))
