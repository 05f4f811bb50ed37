"""The weight sweep: the dense layers at 21 levels of sparsity.

python -m benchmarks.magnitude [--weights FILE] [--images N]
"""

from __future__ import annotations

from benchmarks.comparison import compare
from benchmarks.subject import options, subject
from fineprune.network.step import Mask, Step
from fineprune.training import sparsity

LEVELS = [0.0, *(level / 20 for level in range(1, 20)), 0.98]

if __name__ == "__main__":
    settings = options("Measure the sweep over single weights.").parse_args()
    with subject(settings.images, settings.weights) as (network, splits):
        kernels = network.kernels(dense_only=True)
        masks = [sparsity.masks(kernels, level, "global") for level in LEVELS]
        steps = [Step([Mask(layer, mask) for layer, mask in one.items()]) for one in masks]
        compare("Sweep by magnitude", network, steps, splits)
