"""What comes after the defence, and may bring a backdoor back: what every stage of it has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import tf_keras as keras

from fineprune.data.split import Split


class Aftermath(ABC):
    """What may become of a net that was pruned, and fine-tuned: a stage that `conf/aftermath` chooses.

    - `title` names it in every table, file and log.
    - `poisoned` is how many images of a trigger it is given. Where that is not 0 it plays the attacker after the
      defence; then the images that it was given are not measured. No budget is judged after a stage, whichever it is.
    """

    title: ClassVar[str]
    poisoned: int = 0

    @abstractmethod
    def change(self, net: keras.Model, clean: Split, poisoned: Split | None, seed: int, what: str) -> None:
        """Change `net` in place. The same `seed` gives the same weights.

        `clean` are clean validation images that no budget is judged by, unless nothing else trains on them. `poisoned`
        are images with one trigger, labelled with its target, None without any. `what` names the work on the progress
        bar.
        """
