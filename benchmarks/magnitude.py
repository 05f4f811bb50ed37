"""The weight sweep: the dense layers at 21 levels of sparsity.

python -m benchmarks.magnitude [--weights FILE] [--images N]
"""

from __future__ import annotations

from benchmarks.comparison import compare
from benchmarks.subject import arguments, subject
from fineprune import sparsity
from fineprune.strategy import Step

LEVELS = [0.0, *(level / 20 for level in range(1, 20)), 0.98]

if __name__ == "__main__":
    settings = arguments("Measure the sweep over single weights.")
    with subject(settings.images, settings.weights) as (network, splits):
        kernels = network.kernels(dense_only=True)
        steps = [Step(sparsity.masks(kernels, level, "global")) for level in LEVELS]
        compare("Sweep by magnitude", network, steps, splits)
