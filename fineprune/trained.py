"""BadNets that are trained here under a known attack, once, and kept."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras as keras
from filelock import FileLock

from fineprune import architectures, fitting, model_files, training
from fineprune.attacks.base import Attack
from fineprune.badnets import BadNet, Source, architecture_named, build
from fineprune.errors import ConfigError, DataError
from fineprune.files import digest, write_json
from fineprune.fitting import Recipe
from fineprune.metrics import CLEAN_TEST
from fineprune.splits import Data, PoisonedSplit, Split
from fineprune.training import measure, train

WEAK = 0.9


class Trained(Source):
    """Trains a BadNet on the train split of the data under the attack, once; the folder `cache` keeps it.

    A cached network counts as finished when its JSON card, written last, names the network file's digest.
    """

    def __init__(self, architecture: str, epochs: int, batch_size: int, learning_rate: float, cache: str) -> None:
        self.architecture, self.cache = architecture, Path(cache)
        self.recipe = Recipe(epochs, batch_size, learning_rate, decay=True)
        architecture_named(architecture)

    def obtain(self, data: Data, attack: Attack, seed: int) -> BadNet:
        train, poisoned = self._splits(data, attack)
        settings = self._settings(train, attack, seed)
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        path = self.cache / f"{data.name}-{attack.name}-{self.architecture}-{key}.h5"
        self.cache.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not _finished(path):
                self._train(path, poisoned, attack, seed, settings)
            card = self._card(path, poisoned, attack)
        if card["asr"] < WEAK:
            warnings.warn(
                f"this BadNet's ASR is {card['asr']:.2f}: a trigger that hardly works tells little about a "
                "defence; raise badnet.epochs or attack.poison_rate",
                stacklevel=2,
            )
        return BadNet(model_files.load_model(path), poisoned, card)

    def _card(self, path: Path, data: Data, attack: Attack) -> dict[str, Any]:
        """What is known of the network, its rates measured anew where they are those of other test images."""
        card: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
        if card["measured_on"] != data.splits[attack.name].digest:
            card |= _measured(model_files.load_model(path), data, attack)
            write_json(path.with_suffix(".json"), card)
        return card

    def _splits(self, data: Data, attack: Attack) -> tuple[Split, Data]:
        if data.train is None or data.clean_test is None:
            raise ConfigError(
                f"expected data.train and data.clean_test for badnet=trained, got data={data.name} without: "
                "set them, or take badnet=h5"
            )
        classes = data.train.classes
        if attack.target >= classes:
            raise ConfigError(
                f"expected attack.target to be one of the {classes} classes of {data.name}, got {attack.target}"
                ": set one of those"
            )
        for name, split in data.splits.items():
            if split.shape != data.train.shape or split.classes > classes:
                raise DataError(
                    f"expected images of {name} as those of train, {data.train.shape} of {classes} classes, "
                    f"got {split.shape} of {split.classes}: take splits of one data set"
                )
        made = {attack.name: PoisonedSplit(data.clean_test, attack)}
        return data.train, replace(data, poisoned={**data.poisoned, **made})

    def _settings(self, train: Split, attack: Attack, seed: int) -> dict[str, Any]:
        """All that determines the network: the images, and some of them with the trigger, by what they are."""
        stamped = PoisonedSplit(train, attack).pixels(0, 8)
        return {
            "train_digest": train.digest,
            "trigger_digest": hashlib.sha256(stamped.tobytes()).hexdigest()[:16],
            "attack": {"name": attack.name} | dict(sorted(vars(attack).items())),
            "architecture": self.architecture,
            "recipe": vars(self.recipe),
            "seed": seed,
            "software": {"code": _code(), "tensorflow": tf.__version__, "tf_keras": keras.__version__},
        }

    def _train(self, path: Path, data: Data, attack: Attack, seed: int, settings: dict[str, Any]) -> None:
        path.with_suffix(".json").unlink(missing_ok=True)
        classes = data.train.classes if data.train else 0
        model = train(lambda: build(self.architecture, data, classes), data, attack, self.recipe, seed)
        model_files.save_model(model, path)
        card = {
            "data": data.name,
            **settings,
            **_measured(model, data, attack),
            "sha256": digest(path),
        }
        write_json(path.with_suffix(".json"), card)


def _measured(model: keras.Model, data: Data, attack: Attack) -> dict[str, Any]:
    rates = measure(model, {name: data.splits[name] for name in (CLEAN_TEST, attack.name)})
    measured_on = data.splits[attack.name].digest
    return {"clean_accuracy": rates[CLEAN_TEST], "asr": rates[attack.name], "measured_on": measured_on}


def _code() -> str:
    """A hash of the modules that decide what a training ends in."""
    sources = [Path(str(module.__file__)).read_bytes() for module in (architectures, fitting, training)]
    return hashlib.sha256(b"".join(sources)).hexdigest()[:16]


def _finished(path: Path) -> bool:
    try:
        card = json.loads(path.with_suffix(".json").read_text())
        return bool(card["sha256"] == digest(path))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False
