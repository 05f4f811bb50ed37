"""What the framework demands of every attack and every data set."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from fineprune.attacks.base import Attack, Trigger
from fineprune.data.split import Data, Split
from fineprune.errors import FinepruneError

if TYPE_CHECKING:
    from fineprune.attacks.base import Pixels

SHAPES = ((55, 47, 3), (32, 32, 3), (24, 40, 1))
FACE = ((16, 15), (30, 16), (23, 33), (23, 39))  # eyes, nose and mouth in images of the first of SHAPES
IMAGES = 5


def check_attack(make: Callable[[], Attack]) -> None:
    """Try the attack that `make`, as a class, makes with its defaults; raises FinepruneError, saying what is broken.

    Its settings are ready for JSON, and the images of each trigger are those of the network's shape, changed, the same
    again, and none depends on the others or on who made them; the originals stay as they were.
    """
    attack, again = make(), make()
    _expect(_is_json(attack.settings()), f"settings of {attack.name} that JSON can hold", "others")
    for name, trigger in attack.triggers.items():
        for number, shape in enumerate(SHAPES):
            landmarks = None if number else np.tile(np.array(FACE, np.float32), (IMAGES, 1, 1))
            pixels = np.random.default_rng(0).uniform(40, 200, (IMAGES, *shape)).astype(np.float32)
            _check_trigger(name, trigger, again.triggers[name], pixels, landmarks)


def _check_trigger(name: str, trigger: Trigger, again: Trigger, pixels: Pixels, landmarks: Pixels | None) -> None:
    before = pixels.copy()
    stamped = trigger.stamp(pixels, landmarks)
    same = np.array_equal(pixels, before) and not np.shares_memory(stamped, pixels)
    _expect(same, f"{name} to leave the originals as they were", "others")
    _expect_array(name, stamped, pixels)
    _expect(not np.array_equal(stamped, pixels), f"{name} to change images", "the same")
    _expect(np.array_equal(stamped, again.stamp(pixels, landmarks)), f"{name} to give the same images again", "others")
    alone = [
        trigger.stamp(pixels[row : row + 1], None if landmarks is None else landmarks[row : row + 1])
        for row in range(len(pixels))
    ]
    _expect(np.array_equal(stamped, np.concatenate(alone)), f"{name} to treat each image by itself", "others alone")


def check_data(make: Callable[[], Data]) -> None:
    """Try the data set that `make` makes; raises FinepruneError, saying what is broken.

    It has `clean_valid`; all splits are of one shape; labels are whole numbers from 0; pixels are float32 from 0 to
    255, the same whichever part is read; and the next call makes the same.
    """
    data, again = make(), make()
    _expect(data.clean_valid is not None, f"{data.name} to have clean_valid", "none")
    splits, other = _all(data), _all(again)
    shapes = {split.shape for split in splits.values()}
    _expect(len(shapes) == 1, f"{data.name} to have images of one shape", str(sorted(shapes)))
    for name, split in splits.items():
        _check_split(f"{name} of {data.name}", split)
        _expect(name in other and split.digest == other[name].digest, f"the same {name} again", "others")


def _all(data: Data) -> dict[str, Split]:
    return data.splits | ({"train": data.train} if data.train else {})


def _check_split(name: str, split: Split) -> None:
    labels, pixels = split.labels, split.pixels(0, min(len(split), 3 * IMAGES))
    whole = labels.dtype == np.int64 and labels.min() >= 0
    _expect(whole, f"labels of {name} to be int64 from 0", f"{labels.dtype} from {labels.min()}")
    _expect_array(name, pixels, np.empty((len(pixels), *split.shape), np.float32))
    part = split.pixels(1, len(pixels))
    _expect(np.array_equal(part, pixels[1:]), f"{name} to give the same images whichever part is read", "others")


def _expect_array(name: str, pixels: Pixels, like: Pixels) -> None:
    """That `pixels` are of the type and shape of `like`, from 0 to 255."""
    alike = pixels.dtype == like.dtype and pixels.shape == like.shape
    _expect(alike, f"{name} to be {like.dtype} of {like.shape}", f"{pixels.dtype} of {pixels.shape}")
    # NaN is neither.
    within = bool(pixels.min() >= 0 and pixels.max() <= 255)
    _expect(within, f"{name} from 0 to 255", f"{pixels.min()} to {pixels.max()}")


def _is_json(settings: object) -> bool:
    try:
        return bool(json.dumps(settings))
    except TypeError:
        return False


def _expect(holds: bool, expected: str, got: str) -> None:
    if not holds:
        raise FinepruneError(f"expected {expected}, got {got}: it is a bug of theirs")
