"""Clean images that are not quite those that the network was trained on: what a defender may have to do with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from io import BytesIO
from typing import Annotated

import numpy as np
from PIL import Image
from pydantic import Field

from fineprune.checks import Fraction, Natural, NonNegative, Positive, checked
from fineprune.data.altered import Altered
from fineprune.data.split import Images, Labels, Split, Subset

Quality = Annotated[int, Field(ge=1, le=95)]  # beyond it Pillow's files only grow


class Shift(ABC):
    """What `conf/shift` chooses from: how clean validation images differ from those that a network was trained on."""

    @abstractmethod
    def of(self, source: Split) -> Split:
        """All images of `source` as the defender has them."""


class ImageShift(Shift):
    """A shift of pixels, which become whole numbers, as image files hold them."""

    @abstractmethod
    def images(self, pixels: Images, first: int) -> Images:
        """The images, (n, H, W, C) in 0–255, as the defender has them; `first` is the row of the first in its split."""

    def of(self, source: Split) -> Split:
        return Shifted(source, self)


class Jpeg(ImageShift):
    """Stored as JPEG of a `quality`, 1 to 95, and read again; images of one channel or three."""

    @checked("shift")
    def __init__(self, quality: Quality = 50) -> None:
        self.quality = quality

    def images(self, pixels: Images, first: int) -> Images:
        return np.array([self._stored(image) for image in pixels.round().astype(np.uint8)], np.float32)

    def _stored(self, image: np.ndarray) -> np.ndarray:
        file = BytesIO()
        Image.fromarray(image.squeeze()).save(file, "JPEG", quality=self.quality)
        return np.asarray(Image.open(file)).reshape(image.shape)


class Brightness(ImageShift):
    """Every pixel times `factor`, cut at 255."""

    @checked("shift")
    def __init__(self, factor: Positive = 1.3) -> None:
        self.factor = factor

    def images(self, pixels: Images, first: int) -> Images:
        return (pixels * np.float32(self.factor)).clip(0, 255)


class Noise(ImageShift):
    """Normal noise of a standard `deviation`, in grey values, on every pixel, drawn by `seed`; cut to 0–255."""

    @checked("shift")
    def __init__(self, deviation: NonNegative = 16.0, seed: Natural = 0) -> None:
        self.deviation, self.seed = deviation, seed

    def images(self, pixels: Images, first: int) -> Images:
        noise = [
            np.random.default_rng((self.seed, first + row)).normal(0, self.deviation, image.shape)
            for row, image in enumerate(pixels)
        ]
        return np.clip(pixels + np.array(noise, np.float32), 0, 255)


class WrongLabels(Shift):
    """A `share` of the labels, drawn by `seed`, is another class, each as likely; the images are as they were."""

    @checked("shift")
    def __init__(self, share: Fraction = 0.05, seed: Natural = 0) -> None:
        self.share, self.seed = share, seed

    def of(self, source: Split) -> Split:
        relabelled = Subset(source, np.arange(len(source)))
        relabelled.labels = self.labels(source.labels)
        return relabelled

    def labels(self, labels: Labels) -> Labels:
        """The labels of the whole split, (n,), as the defender has them."""
        random, classes = np.random.default_rng(self.seed), int(labels.max()) + 1
        rows = random.permutation(len(labels))[: round(self.share * len(labels))]
        wrong = labels.copy()
        wrong[rows] = (labels[rows] + random.integers(1, max(classes, 2), len(rows))) % classes
        return wrong


class Shifted(Altered):
    """All images of `source` under a `shift`."""

    def __init__(self, source: Split, shift: ImageShift) -> None:
        super().__init__(source, np.arange(len(source)))
        self._shift = shift

    def alter(self, start: int, stop: int) -> Images:
        return self._shift.images(self.originals.pixels(start, stop), start)
