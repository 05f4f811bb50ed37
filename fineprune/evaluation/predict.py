"""The labels that the pruned nets of a sweep give each image, with everything that they share computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from fineprune.data.split import Split
from fineprune.evaluation.gates import Floats, GatedNetwork
from fineprune.evaluation.incremental import fastest
from fineprune.evaluation.threads import one_a_core, prefetched
from fineprune.network import passes
from fineprune.network.labels import best
from fineprune.network.network import Network
from fineprune.network.step import Step

ClassLabels = NDArray[np.int32]

TOGETHER = 2048  # images whose steps are evaluated together: matrices large enough to multiply fast
MOST_BYTES = 2**26  # what their activations at the cut may take


def predict_steps(
    network: Network, steps: Sequence[Step], splits: Mapping[str, Split], advance: Callable[[int], None]
) -> dict[str, ClassLabels]:
    """The labels of every split by the untouched network and those of `steps`, (1 + steps, n).

    They equal those of `network.pruned(step)`. `advance` is called after each block with the number of its images.
    """
    gated = GatedNetwork(network, steps)
    with one_a_core() as cores, ThreadPoolExecutor(cores) as threads:
        kind = fastest(gated, lambda: gated.shared(next(next(iter(splits.values())).blocks())[1]))
        evaluators = [kind(gated) for _ in range(cores)]

        def labels(split: Split) -> Iterator[ClassLabels]:
            with prefetched(split.blocks()) as blocks:
                for group in _grouped(gated.shared(images) for _, images in blocks):
                    shared = [np.concatenate(parts) for parts in zip(*group, strict=True)]
                    yield from threads.map(
                        lambda evaluator, share: evaluator.labels(share), evaluators, _shares(shared, cores)
                    )
                    for block in group:
                        advance(len(block[0]))

        try:
            return {name: np.concatenate(list(labels(split)), axis=1) for name, split in splits.items()}
        except BaseException:  # Ctrl-C too: threads are waited for, and may have minutes of steps before them
            for evaluator in evaluators:
                evaluator.stopped = True
            raise


def _grouped(blocks: Iterable[Sequence[Floats]]) -> Iterator[list[Sequence[Floats]]]:
    """As many blocks at a time as fit together, all groups but the last of one size."""
    blocks = iter(blocks)
    while first := next(blocks, None):
        fit = min(TOGETHER // len(first[0]), MOST_BYTES // sum(array.nbytes for array in first))
        yield [first, *islice(blocks, max(fit - 1, 0))]


def _shares(shared: Sequence[Floats], count: int) -> list[Sequence[Floats]]:
    """`shared` in `count` parts of about as many images each; fewer where there are not as many."""
    count = min(count, len(shared[0]))
    return list(zip(*(np.array_split(array, count) for array in shared), strict=True))


def predict(model: keras.Model, split: Split) -> ClassLabels:
    """The class that `model` gives each image of `split`, (n,)."""
    forward = tf.function(lambda images: model(images, training=False), reduce_retracing=True)
    with prefetched(split.blocks()) as blocks:
        labels = [best(forward(tf.constant(images)).numpy()) for _, images in blocks]
    passes.add(forward=len(split))
    return np.concatenate(labels)
