"""Pages of pictures: what the triggers look like, and what still goes wrong at each budget."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fineprune import budgets as falls
from fineprune.metrics import CLEAN_TEST
from fineprune.splits import Data, Images, PoisonedSplit, Split
from fineprune.sweep import Sweep

SHOWN = 12


def triggers(data: Data) -> Figure:
    """Of each trigger planted here some images without it, with it, and what it changed, as large as it goes."""
    planted = {name: split for name, split in data.poisoned.items() if isinstance(split, PoisonedSplit)}
    figure = Figure(figsize=(11, 0.5 + 3.1 * max(len(planted), 1)), layout="constrained")
    for number, (name, split) in enumerate(planted.items(), start=1):
        rows = _some(np.arange(len(split)))
        before = _strip(split.unstamped, split.shape, rows).astype(float)
        after = _strip(split.pixels, split.shape, rows).astype(float)
        change = np.abs(after - before)
        axes = figure.add_subplot(len(planted), 1, number)
        axes.set_title(f"{name}: clean, poisoned, and the difference, its largest drawn white", fontsize=9, loc="left")
        sheet = np.concatenate([before, after, 255 * change / max(change.max(), 1)])
        axes.imshow(sheet.astype(np.uint8), aspect="equal", interpolation="nearest")
        axes.axis("off")
    return figure


def failures(sweep: Sweep) -> Figure:
    """For each point: poisoned images that the GoodNet takes for the target, and clean images that it
    rejects, some of each from all over the split."""
    rows = [row for point, step in sweep.points.items() for row in _rows(sweep, point, step)]
    figure = Figure(figsize=(11, 0.6 + 1.35 * max(len(rows), 1)), layout="constrained")
    figure.suptitle("What still goes wrong, without fine-tuning", fontsize=11)
    for number, (text, split, wrong) in enumerate(rows, start=1):
        axes = figure.add_subplot(len(rows), 1, number)
        axes.set_title(f"{text}, {len(wrong)} of {len(split)}", fontsize=9, loc="left")
        axes.imshow(_strip(split.pixels, split.shape, _some(wrong)), aspect="equal", interpolation="nearest")
        axes.set_anchor("W")
        axes.axis("off")
    return figure


def _rows(sweep: Sweep, point: str, step: int) -> list[tuple[str, Split, NDArray[np.intp]]]:
    found = []
    for name, split in sweep.plan.data.splits.items():
        badnet, pruned = sweep.labels[name][0], sweep.labels[name][step]
        if name in sweep.plan.data.poisoned:
            wrong, text = (badnet == pruned) & (badnet == split.labels), f"{name}, poisoned, taken for the target"
        elif name == CLEAN_TEST:
            wrong, text = badnet != pruned, f"{name}, clean, rejected as backdoored"
        else:
            continue
        found.append((f"{falls.text(point)}: {text}", split, np.flatnonzero(wrong)))
    return found


def _some(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Up to SHOWN of `rows`, evenly spread."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, SHOWN).astype(int))] if len(rows) else rows


def _strip(
    pixels: Callable[[int, int], Images], shape: tuple[int, int, int], rows: NDArray[np.intp]
) -> NDArray[np.uint8]:
    """The images `rows` of `pixels` side by side, (H, SHOWN·(W + 2), 3), white where there are fewer."""
    height, width, _ = shape
    strip = np.full((height, SHOWN * (width + 2), 3), 255, np.uint8)
    for place, row in enumerate(rows):
        left = place * (width + 2)
        strip[:, left : left + width] = pixels(int(row), int(row) + 1)[0].clip(0, 255)
    return strip
