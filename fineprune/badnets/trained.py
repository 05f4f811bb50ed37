"""BadNets that are trained here under a known attack, once, and cached."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow as tf
import tf_keras as keras
from filelock import FileLock
from pydantic import BaseModel, ValidationError

from fineprune.attacks.base import Attack, Trigger
from fineprune.attacks.poisoning import PoisonedSplit
from fineprune.badnets.source import BadNet, FromFile, Source, architecture_named, build, shape_of
from fineprune.badnets.training import measure, train
from fineprune.checks import Fraction, call
from fineprune.data.split import CLEAN_TEST, ArraySplit, Data, Images, Split
from fineprune.errors import ConfigError, DataError, FinepruneError, some
from fineprune.files import digest, save_model, write_json
from fineprune.identity import code
from fineprune.names import WEAK
from fineprune.progress import stage
from fineprune.training.fit import Recipe
from fineprune.untrusted import network_files

TRAINING = ("attacks", "badnets", "data", "network", "training")  # of fineprune, what a training can depend on


class Card(BaseModel):
    """What has to be in a card to be shown."""

    clean_accuracy: Fraction
    asr: dict[str, Fraction]
    measured_on: dict[str, str]
    epochs: list[dict[str, Fraction]]
    network: str
    attack: dict[str, Any]


class Trained(Source):
    """Trains a BadNet on the train split of the data under the attack, once; the folder `cache` keeps it.

    A cached network counts as finished when its JSON card, written last, names the network file's digest.
    """

    def __init__(self, architecture: str, epochs: int, batch_size: int, learning_rate: float, cache: str) -> None:
        self.architecture, self.cache = architecture, Path(cache)
        self.recipe = call("badnet", Recipe, epochs, batch_size, learning_rate, decay=True)
        architecture_named(architecture)

    def obtain(self, data: Data, attack: Attack, seed: int) -> BadNet:
        train, poisoned = self._splits(data, attack)
        with stage("looking for the BadNet"):
            settings = self._settings(train, attack, seed)
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        path = self.cache / f"{data.name}-{attack.name}-{settings['architecture']}-{key}.h5"
        if not _finished(path):
            self.cache.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                if not _finished(path):  # by another process
                    self._train(path, poisoned, attack, seed, settings)
        card = self._card(path, poisoned, attack)
        for trigger, asr in card["asr"].items():
            if asr < WEAK:
                warnings.warn(
                    f"this BadNet's ASR is {asr:.2f} ({trigger}): a trigger that hardly works tells little about a "
                    "defence; raise badnet.epochs or attack.poison_rate",
                    stacklevel=2,
                )
        return BadNet(FromFile(str(path)).examined(None), poisoned, attack.title, card)

    def images(self, data: Data, attack: Attack) -> Data:
        if data.poisoned or data.train is None:
            return data
        _, poisoned = self._splits(data, attack)
        return poisoned

    def _card(self, path: Path, data: Data, attack: Attack) -> dict[str, Any]:
        """The card of the network, its rates measured anew where they are those of other test images."""
        card: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
        if why := _damage(card, attack):
            raise DataError(
                f"expected the card of a BadNet in {path.with_suffix('.json')}, got another: {why}; remove it, to "
                "have the network trained anew"
            )
        if card["measured_on"] != _digests(_measured_splits(data, attack)):
            with stage("measuring the BadNet on these test images"):
                card |= _rates(network_files.load_model(path), _measured_splits(data, attack))
            with suppress(FinepruneError):  # of a folder that is somebody else's
                write_json(path.with_suffix(".json"), card)
        return card

    def _splits(self, data: Data, attack: Attack) -> tuple[Split, Data]:
        if data.train is None or data.clean_test is None:
            raise ConfigError(
                f"expected data.train and data.clean_test for badnet=trained, got data={data.name} without: "
                "set them, or take badnet=h5"
            )
        classes = data.train.classes
        for name, split in data.splits.items():
            if split.shape != data.train.shape or split.classes > classes:
                raise DataError(
                    f"expected images of {name} as those of train, {data.train.shape} of {classes} classes, "
                    f"got {split.shape} of {split.classes}: take splits of one data set"
                )
        stamping = _Stamping.by(attack, data.clean_test, classes)
        # Files are read anew for each job: to share what is made of them would keep the last job's.
        poisoned = _stamped(stamping) if isinstance(data.clean_test, ArraySplit) else stamping.images()
        return data.train, replace(data, poisoned={**data.poisoned, **poisoned})

    def _settings(self, train: Split, attack: Attack, seed: int) -> dict[str, Any]:
        """All that determines the network: the images, and some of them with the triggers, by what they are."""
        stamped = _first_stamped(train, attack.triggers.values(), train.classes)
        return {
            "train": {
                "images": len(train),
                "classes": train.classes,
                "shape": list(train.shape),
                "scale": train.scaling.key,
            },
            "train_digest": train.digest,
            "trigger_digest": hashlib.sha256(b"".join(pixels.tobytes() for pixels in stamped)).hexdigest()[:16],
            "attack": attack.settings(),
            "architecture": self.architecture,
            "recipe": vars(self.recipe),
            "seed": seed,
            "software": {
                "code": _code(self.architecture, train, attack),
                "tensorflow": tf.__version__,
                "tf_keras": keras.__version__,
            },
        }

    def _train(self, path: Path, data: Data, attack: Attack, seed: int, settings: dict[str, Any]) -> None:
        path.with_suffix(".json").unlink(missing_ok=True)
        classes = data.train.classes if data.train else 0
        model, epochs = train(
            lambda: build(self.architecture, shape_of(data), classes), data, attack, self.recipe, seed
        )
        save_model(model, path)
        measured = _measured_splits(data, attack)
        card = {
            "network": path.name,
            "data": data.name,
            **settings,
            **_rates(model, measured),
            "epochs": epochs,
            "sha256": digest(path),
        }
        write_json(path.with_suffix(".json"), card)


@dataclass(frozen=True)
class _Stamping:
    """What poisoned images are made of: two are equal if triggers, settings and a few images with them are."""

    source: Split
    classes: int
    settings: str
    some: bytes
    triggers: Mapping[str, Trigger] = field(compare=False)

    @classmethod
    def by(cls, attack: Attack, source: Split, classes: int) -> Self:
        """The images of `source` with the triggers that a network under `attack` is measured on."""
        triggers = attack.measured
        settings = {name: [repr(type(trigger)), trigger.settings()] for name, trigger in triggers.items()}
        some = b"".join(pixels.tobytes() for pixels in _first_stamped(source, triggers.values(), classes))
        return cls(source, classes, json.dumps(settings, default=repr), some, triggers)

    def images(self) -> dict[str, PoisonedSplit]:
        return {name: PoisonedSplit(self.source, trigger, self.classes) for name, trigger in self.triggers.items()}


# Jobs of a grid mostly measure the same images, which are stamped once.
_stamped = lru_cache(maxsize=1)(_Stamping.images)


def _first_stamped(split: Split, triggers: Iterable[Trigger], classes: int) -> list[Images]:
    """The first images of `split` with each of the triggers."""
    first = np.arange(min(8, len(split)))
    return [PoisonedSplit(split, trigger, classes, first).pixels(0, len(first)) for trigger in triggers]


def _measured_splits(data: Data, attack: Attack) -> dict[str, Split]:
    """The splits on which a BadNet is measured."""
    return {name: data.splits[name] for name in (CLEAN_TEST, *attack.triggers)}


def _rates(model: keras.Model, splits: Mapping[str, Split]) -> dict[str, Any]:
    rates = measure(model, splits)
    return {"clean_accuracy": rates.pop(CLEAN_TEST), "asr": rates, "measured_on": _digests(splits)}


def _digests(splits: Mapping[str, Split]) -> dict[str, str]:
    return {name: split.digest for name, split in splits.items()}


def _code(architecture: str, train: Split, attack: Attack) -> str:
    """A hash of the code that decides what a training ends in."""
    classes = map(type, (train, attack, *attack.triggers.values()))
    roots = (architecture_named(architecture).__module__, "fineprune.badnets.training")
    return code(*roots, *(part.__module__ for part in classes), within=TRAINING)


def _finished(path: Path) -> bool:
    if not path.is_file() or not path.with_suffix(".json").is_file():
        return False  # a pipe would wait for somebody to write
    try:
        card = json.loads(path.with_suffix(".json").read_text())
        return bool(card["sha256"] == digest(path))
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _damage(card: Mapping[str, Any], attack: Attack) -> str:
    """What is wrong with a card; empty if nothing is."""
    try:
        Card.model_validate(card)
    except ValidationError as reason:
        first = reason.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return "" if set(card["asr"]) == set(attack.triggers) else f"asr of {some(card['asr'])}"
