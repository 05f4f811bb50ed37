"""Plain fine-tuning: further training on clean images, and nothing else."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import tf_keras as keras

from fineprune.checks import call, checked
from fineprune.data.split import Split
from fineprune.network.network import Network
from fineprune.training.fine_tuning import FineTuning
from fineprune.training.fit import Recipe, fit, learning_part


class CleanFineTuning(FineTuning):
    """Trains all `layers`, or the dense ones, by a `Recipe`."""

    title = "fine-tuning"
    trial: ClassVar = {"epochs": 1}

    @checked("finetune")
    def __init__(self, layers: Literal["dense", "all"], hold: bool = True, **recipe: Any) -> None:
        self.layers, self.hold, self.recipe = layers, hold, call("finetune", Recipe, **recipe)

    def check(self, network: Network, images: int) -> None:
        network.trainable(dense_only=self.layers == "dense")
        self.recipe.check_images(images)

    def train(self, model: keras.Model, network: Network, clean: Split, seed: int, what: str) -> None:
        trained = network.trainable(dense_only=self.layers == "dense")
        rest, examples = learning_part(model, trained, clean)
        fit(rest, examples, self.recipe, what, seed)
