"""The GoodNet: where the BadNet and its pruned net agree, that class; where they disagree, "backdoored"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from fineprune.errors import ModelError
from fineprune.files import save_model
from fineprune.network.labels import best
from fineprune.untrusted.network_files import NetworkFile, load_model


def agree(badnet: NDArray[Any], pruned: NDArray[Any], rejected: int) -> NDArray[Any]:
    """The labels of both nets where they are the same, `rejected` elsewhere."""
    return np.where(badnet == pruned, badnet, rejected)


class GoodNet:
    """Made of a BadNet and its pruned net, with the same images in and the same N classes out; class N is "backdoored".

    Examples:
        >>> goodnet = GoodNet.load("bd_net.h5", "pruned_2_percent.h5")
        >>> goodnet.predict(images)
    """

    def __init__(self, badnet: keras.Model, pruned: keras.Model) -> None:
        for name, ours, theirs in (
            ("images", badnet.input_shape, pruned.input_shape),
            ("classes", badnet.output_shape, pruned.output_shape),
        ):
            if ours[1:] != theirs[1:]:
                raise ModelError(
                    f"expected the pruned net's {name} to be the BadNet's {ours[1:]}, got {theirs[1:]}"
                    ": give the net that was pruned from this BadNet"
                )
        self.badnet, self.pruned = badnet, pruned
        self.backdoored = int(badnet.output_shape[-1])

    @classmethod
    def load(cls, badnet: str | Path, pruned: str | Path | None = None) -> GoodNet:
        """From two files, each a whole network, or from the one that `save` wrote. Raises ModelError."""
        if pruned is not None:
            return cls(load_model(badnet), load_model(pruned))
        nets = NetworkFile(badnet, "a GoodNet").nets()
        if len(nets) < 2:
            raise ModelError(f"expected a GoodNet that fineprune saved in {badnet}, got one network: give pruned too")
        return cls(*nets)

    def predict(self, images: NDArray[Any]) -> NDArray[np.int64]:
        """The class of each of `images`, (n, H, W, C), as the networks take them: 0 … N−1, or N for "backdoored"."""
        badnet, pruned = map(best, self._scores(images))
        return agree(badnet, pruned, rejected=self.backdoored)

    def predict_proba(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Scores, (n, N + 1): those of the BadNet where both agree, all on class N where they do not.

        Where both agree, class N has 0 as its score, or, should scores be negative, one below all of them.
        """
        badnet, pruned = self._scores(images)
        lowest = 2 * np.minimum(badnet.min(axis=1, keepdims=True), 0)
        scores = np.concatenate([badnet, lowest], axis=1)
        scores[best(badnet) != best(pruned)] = np.eye(self.backdoored + 1)[-1]
        return scores

    def _scores(self, images: NDArray[Any]) -> Iterator[NDArray[np.float32]]:
        """Those of the BadNet and of the pruned net; raises ModelError where `images` have another shape."""
        expected, given = tuple(self.badnet.input_shape[1:]), np.shape(images)
        if given[1:] != expected:
            raise ModelError(
                f"expected images of shape (n, {str(expected)[1:]}, got {given}: bring them to that size, and give a "
                "single one as images[None]"
            )
        return (net.predict(images, verbose=0) for net in (self.badnet, self.pruned))

    def to_keras(self) -> keras.Model:
        """One Keras model that computes `predict_proba`."""
        images = keras.Input(self.badnet.input_shape[1:], name="images")
        badnet = _renamed(self.badnet, "badnet")(images)
        pruned = _renamed(self.pruned, "pruned")(images)
        same = tf.equal(tf.argmax(badnet, axis=1), tf.argmax(pruned, axis=1))
        agreed = tf.expand_dims(tf.cast(same, badnet.dtype), axis=1)
        lowest = 2 * tf.minimum(tf.reduce_min(badnet, axis=1, keepdims=True), 0)
        scores = tf.concat([badnet * agreed, lowest * agreed + 1 - agreed], axis=1)
        return keras.Model(images, scores, name="goodnet")

    def save(self, path: str | Path) -> None:
        """Save as one Keras model, which plain tf_keras loads."""
        save_model(self.to_keras(), Path(path))


def _renamed(model: keras.Model, name: str) -> keras.Model:
    return keras.Model(model.inputs, model.outputs, name=name)
