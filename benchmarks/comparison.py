"""A sweep beside one plain forward pass and beside the naive sweep, in one process and in turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.subject import Splits, forward, peak_mb, show, sweep, timed
from fineprune.evaluation.predict import ClassLabels
from fineprune.network.network import Network
from fineprune.network.step import Step

ROUNDS = 3  # of each the fastest counts: what other processes take away is not its cost
NAIVE = 3  # steps, the first, the last and those between, evaluated from the pixels, each of which costs the same


def compare(title: str, network: Network, steps: Sequence[Step], splits: Splits) -> None:
    """Measure, check that labels are equal, print."""
    show(title, *measured(network, steps, splits))


def measured(network: Network, steps: Sequence[Step], splits: Splits) -> tuple[dict[str, str], dict[str, float]]:
    """Rows of a table, and figures; ends the program where the naive sweep finds other labels."""
    passes, sweeps = [], []
    for _ in range(ROUNDS):
        passes.append(timed(lambda: forward(network.model, splits))[0])
        seconds, labels = timed(lambda: sweep(network, list(steps), splits))
        sweeps.append(seconds)
    peak = peak_mb()
    rows = np.linspace(1, len(steps), NAIVE).astype(int)
    naive = min(_check(network, steps, splits, labels, row) for row in rows) * (1 + len(steps))
    images = sum(map(len, splits.values()))
    figures = {
        "sweep_over_forward": round(min(sweeps) / min(passes), 3),
        "naive_over_sweep": round(naive / min(sweeps), 1),
        "peak_rss_mb": round(peak),
        "images": images,
        "steps": len(steps),
    }
    table = {
        "images": f"{images:,}",
        "one plain forward pass, s": _seconds(passes),
        f"this sweep of {len(steps)} steps, s": _seconds(sweeps),
        f"the naive sweep, s, from steps {', '.join(map(str, rows))} timed, the fastest scaled": f"{naive:.1f}",
        "sweep / forward pass": f"{figures['sweep_over_forward']:.2f}",
        "naive / sweep": f"{figures['naive_over_sweep']:.1f}",
        "peak memory, MB": f"{peak:.0f}",
        "labels at the naive steps": "equal",
    }
    return table, figures


def _check(network: Network, steps: Sequence[Step], splits: Splits, labels: dict[str, ClassLabels], row: int) -> float:
    """Evaluate a step from the pixels; seconds taken."""
    seconds, plain = timed(lambda: forward(network.pruned(steps[row - 1]), splits))
    for name, expected in plain.items():
        if different := int((labels[name][row] != expected).sum()):
            raise SystemExit(f"expected the naive labels at step {row} on {name}, got {different} others")
    return seconds


def _seconds(times: Sequence[float]) -> str:
    return f"{min(times):.2f}  (of {', '.join(f'{time:.2f}' for time in times)})"
