"""Drawn stripes: a class is the direction and the width of its stripes."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from fineprune.checks import Count, Natural, Scale, checked
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, Data

SIZE = 24


@checked("data")
def my_data(
    name: str,
    classes: Annotated[int, Field(ge=2)],
    train: Count,
    clean_valid: Count,
    clean_test: Count,
    seed: Natural,
    pixel_scale: Scale,
) -> Data:
    """Images of `SIZE` × `SIZE` pixels; `train`, `clean_valid` and `clean_test` are so many of each class."""
    sizes = {"train": train, "clean_valid": clean_valid, "clean_test": clean_test}
    splits = {
        part: _draw(classes, count, Scaling(pixel_scale), np.random.default_rng((seed, number)))
        for number, (part, count) in enumerate(sizes.items())
    }
    return Data(name, splits["clean_valid"], splits["clean_test"], train=splits["train"])


def _draw(classes: int, count: int, scaling: Scaling, random: np.random.Generator) -> ArraySplit:
    """`count` images of each class, with stripes that begin anywhere, and noise."""
    labels = np.repeat(np.arange(classes), count)
    y, x = np.indices((SIZE, SIZE))
    angle = np.pi * labels / classes
    across = x * np.cos(angle)[:, None, None] + y * np.sin(angle)[:, None, None]
    waves = np.sin(across * (0.6 + 0.4 * (labels % 2))[:, None, None] + random.uniform(0, 6, (len(labels), 1, 1)))
    pixels = 120 + 60 * waves[..., None] + random.normal(0, 20, (len(labels), SIZE, SIZE, 3))
    return ArraySplit(pixels.clip(0, 255).astype(np.uint8), labels, scaling)
