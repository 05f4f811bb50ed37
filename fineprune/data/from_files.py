"""The splits of a data set that lies in files: what their settings mean, and what their labels are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fineprune.checks import Deviations, Levels, Natural, Range, Scale, Size, checked
from fineprune.data.files import FileSplit
from fineprune.data.scaling import Scaling
from fineprune.data.split import Data, Split, Subset, hold_out
from fineprune.errors import ConfigError, DataError
from fineprune.untrusted.images.reading import PIXELS, Reading

LAB = ("cl", "bd")  # the folders of clean and of poisoned images
RESERVED = {"clean_valid", "clean_test", "train"}
# What * stands for in data.images, data.labels and data.true_labels, where one file holds several splits.
PARTS = {"clean_valid": "valid", "clean_test": "test", "train": "train"}


@checked("data")
def scaling(pixel_scale: Scale, mean: Levels | None = None, std: Deviations | None = None) -> Scaling:
    """What becomes of pixels on their way into a network."""
    return Scaling(pixel_scale, mean or (), std or ())


@checked("data")
def reading(
    images: str = Reading.images,
    labels: str = Reading.labels,
    true_labels: str | None = Reading.true_labels,
    layout: Literal["auto", "channels_first", "channels_last"] = "auto",
    first_label: Natural = 0,
    stored_range: Range = PIXELS,
    resize: Size | None = None,
) -> Reading:
    """How images stand in files."""
    if not stored_range[0] < stored_range[1]:
        raise ConfigError(
            f"expected data.stored_range to be those of black and of white, got {list(stored_range)}: set a lower one "
            "and a higher one, as [0,255]"
        )
    return Reading(images, labels, true_labels, layout, first_label, stored_range, resize)


@dataclass(frozen=True)
class Files:
    """Files of one `kind` under `root`, all of which hold their images in the same way."""

    kind: type[FileSplit]
    root: Path
    scaling: Scaling
    reading: Reading

    def data(
        self, name: str, clean: Mapping[str, str | None], poisoned: Mapping[str, str | None], target: int | None
    ) -> Data:
        """The data set of these files, by split; None for those that are not there.

        The labels of poisoned files are the attacker's targets or, where `target` is given, the true classes.
        """
        triggers = {key: file for key, file in poisoned.items() if file is not None}
        for key in triggers:
            check_name(key)
            self._check_has_a_place(key)
        splits = {key: self._clean(file, key) for key, file in clean.items() if file is not None}
        attacked = {key: self._poisoned(file, key, target) for key, file in triggers.items()}
        return Data(name, **splits, poisoned=attacked)

    def _clean(self, file: str, key: str) -> Split:
        return self._split(file, PARTS[key], f"data.{key}", replace(self.reading, true_labels=None))

    def _poisoned(self, file: str, key: str, target: int | None) -> Split:
        name = f"data.poisoned.{key}"
        stored = self._split(file, key, name, self.reading)
        return stored if target is None else aimed(stored, target, name)

    def _split(self, file: str, part: str, name: str, reading: Reading) -> Split:
        self._check_is_there(file, name)
        images, labels = (text.replace("*", part) for text in (reading.images, reading.labels))
        shown = reading.true_labels and reading.true_labels.replace("*", part)
        parts = replace(reading, images=images, labels=labels, true_labels=shown)
        return self.kind(self._place(file), self.scaling, name, parts)

    def _place(self, file: str) -> Path:
        """Where `file` is: under the root or, as the competition's lab lays files out, in a folder there."""
        places = [self.root / file, *(self.root / folder / file for folder in LAB)]
        return next((place for place in places if place.exists()), places[0])

    def _check_has_a_place(self, trigger: str) -> None:
        """Raise ConfigError where * would stand for a trigger as it does for a clean split."""
        if trigger in PARTS.values() and "*" in f"{self.reading.images}{self.reading.labels}":
            raise ConfigError(
                f"expected other names than {', '.join(PARTS.values())} in data.poisoned where * stands for them in "
                f"data.images or data.labels, got '{trigger}': choose another NAME in data.poisoned.NAME=FILE"
            )

    def _check_is_there(self, file: str, name: str) -> None:
        """Raise DataError where `file` is not under the root, but in a folder there."""
        path = self._place(file)
        if not path.exists() and self.root.is_dir():
            for folder in sorted(filter(Path.is_dir, self.root.iterdir())):
                if (folder / path.name).exists():
                    raise DataError(
                        f"expected the {name} images at {path}, got no such file, but one in {folder}: set {name}="
                        f"{folder.name}/{path.name}"
                    )


def with_share(data: Data, share: float, seed: int) -> Data:
    """`data`; where it has training images but no clean_valid, this share of them, by `seed`, is taken out for that."""
    if data.clean_valid is not None or data.train is None:
        return data
    rest, held = hold_out(data.train, share, seed)
    return replace(data, clean_valid=held, train=rest)


def check_name(trigger: Any) -> None:
    """Raise ConfigError unless `trigger` can name poisoned images in every table, file and log."""
    if not isinstance(trigger, str) or trigger in RESERVED or not re.fullmatch(r"\w[\w.-]*", trigger, re.ASCII):
        raise ConfigError(
            f"expected data.poisoned to name its files by letters, digits and _, got {trigger!r}"
            ": choose another NAME in data.poisoned.NAME=FILE"
        )


def aimed(split: Split, target: int, name: str) -> Split:
    """Those images of `split`, labelled by what they show, that are not of the attacker's `target`, labelled by that.

    Raises DataError where there are none.
    """
    rows = np.flatnonzero(split.labels != target)
    if len(rows) == 0:
        raise DataError(
            f"expected images of other classes than data.target={target} in {name}, got none: where its labels are "
            "the target already, leave data.target out"
        )
    others = Subset(split, rows)
    others.true_labels, others.labels = others.labels, np.full(len(rows), target, np.int64)
    return others
