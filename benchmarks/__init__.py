"""What the sweep costs, measured: python -m benchmarks.NAME."""

import fineprune  # noqa: F401  quiets TensorFlow, so it stands before anything that imports it
