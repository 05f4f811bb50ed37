"""Image sets that Keras downloads, once, into its own folder, and checks."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fineprune.checks import Deviations, Levels, Scale, Seed, Share, checked
from fineprune.data.from_files import scaling
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, Data, hold_out
from fineprune.errors import DataError, line
from fineprune.progress import stage


@checked("data")
def keras(
    name: Literal["mnist", "fashion_mnist", "cifar10", "cifar100"],
    pixel_scale: Scale,
    valid_share: Share,
    seed: Seed,
    mean: Levels | None = None,
    std: Deviations | None = None,
) -> Data:
    """The set `name`: `valid_share` of its training images, drawn by `seed`, is clean_valid, its test set clean_test.

    Raises DataError where it is neither there nor can be downloaded.
    """
    import tf_keras

    becomes = scaling(pixel_scale, mean, std)
    try:
        with stage(f"loading {name}"):
            parts = getattr(tf_keras.datasets, name).load_data()
    except Exception as reason:  # of the network, of the disk, or of a damaged file
        raise DataError(
            f"expected {name} in Keras's folder, ~/.keras/datasets, or a network to download it by, got: "
            f"{line(reason)}: put it there, or take your own files by data=npz"
        ) from reason
    train, test = (_split(images, labels, becomes) for images, labels in parts)
    rest, held = hold_out(train, valid_share, seed)
    return Data(name, held, test, train=rest)


def _split(images: NDArray[np.uint8], labels: NDArray[Any], becomes: Scaling) -> ArraySplit:
    becomes.check(1 if images.ndim == 3 else 3)
    return ArraySplit(images.reshape(*images.shape[:3], -1), labels.reshape(-1).astype(np.int64), becomes)
