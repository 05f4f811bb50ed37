"""Fine-tuning a pruned net on clean images, with what was pruned held at zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from fineprune import graph
from fineprune.errors import ConfigError
from fineprune.fitting import Recipe, fit, in_memory, learning_part
from fineprune.network import Network
from fineprune.splits import Split
from fineprune.strategy import Array, Step


class Held(keras.constraints.Constraint):  # type: ignore[misc]
    """Sets to zero, after each update, what `keep` does not keep."""

    def __init__(self, keep: Array) -> None:
        self.keep = tf.constant(keep, tf.float32)

    def __call__(self, weights: tf.Tensor) -> tf.Tensor:
        return weights * self.keep


class FineTuning:
    """What `conf/finetune` chooses: how the pruned net is trained further, and whether `layers` are dense or all."""

    def __init__(self, layers: str, **recipe: Any) -> None:
        if layers not in ("dense", "all"):
            raise ConfigError(f"expected finetune.layers to be one of dense, all, got {layers!r}: set one of those")
        self.layers, self.recipe = layers, Recipe(**recipe)

    def tune(self, network: Network, step: Step, clean: Split, seed: int, what: str) -> keras.Model:
        """The pruned net of `step`, trained further on `clean`. The same `seed` gives the same net."""
        result = network.pruned(step)
        model = held(result, network, step)
        trained = network.trained(dense_only=self.layers == "dense")
        images, labels = in_memory(clean)
        order = np.random.default_rng(seed).permutation(len(labels))
        rest, features = learning_part(model, trained, images[order])
        fit(rest, features, labels[order], self.recipe, what, seed)
        for layer in result.layers:
            layer.set_weights(model.get_layer(layer.name).get_weights())
        return result


def held(model: keras.Model, network: Network, step: Step) -> keras.Model:
    """A copy of `model`, the pruned net of `step`, whose pruned weights stay zero while it trains."""
    constraints: dict[str, dict[str, Held]] = {}
    for name, keep in step.keep.items():
        zeroed = {"kernel_constraint": Held(keep)}
        if keep.ndim == 1:
            zeroed["bias_constraint"] = Held(keep)
            for follower in network.unit(name).followers:
                constraints[follower] = {"gamma_constraint": Held(keep), "beta_constraint": Held(keep)}
        constraints[name] = zeroed

    def copied(layer: Any) -> Any:
        known = layer.get_config()
        return layer.__class__.from_config(
            known | {k: v for k, v in constraints.get(layer.name, {}).items() if k in known}
        )

    return graph.clone(model, copied)
