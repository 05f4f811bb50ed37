"""Sheets of images: what the triggers look like, and which images the GoodNet still gets wrong at each budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fineprune.attacks.poisoning import PoisonedSplit
from fineprune.data.split import CLEAN_TEST, Data, Images, Split
from fineprune.sweeping import budgets
from fineprune.sweeping.run import Sweep

SHOWN = 12


def triggers(data: Data) -> Figure:
    """For each trigger planted here, some images without it, with it, and the difference, scaled to full brightness."""
    planted = {name: split for name, split in data.poisoned.items() if isinstance(split, PoisonedSplit)}
    figure = Figure(figsize=(11, 0.5 + 3.1 * max(len(planted), 1)), layout="constrained")
    for number, (name, split) in enumerate(planted.items(), start=1):
        rows = _some(np.arange(len(split)))
        before = _strip(split.originals.pixels, split.shape, rows).astype(float)
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
    rejects, some of each from all over the split.

    Above a poisoned image stand its true class, `?` where that is unknown, the target, and the class that the GoodNet
    gives it; above a clean one its true class, and the classes that B and B′ give it.
    """
    groups = [group for point, step in sweep.points.items() for group in _groups(sweep, point, step)]
    heights = [1.85 if len(group.rows) else 0.3 for group in groups]
    figure = Figure(figsize=(11, 0.6 + sum(heights)), layout="constrained")
    figure.suptitle("What still goes wrong, without fine-tuning", fontsize=11)
    grid = figure.add_gridspec(max(len(groups), 1), height_ratios=heights or [1])
    for number, group in enumerate(groups):
        axes = figure.add_subplot(grid[number])
        rows, lines = _some(group.rows), len(group.classes) if len(group.rows) else 0
        text = f"{group.text}, {len(group.rows)} of {len(group.split)}"
        axes.set_title(text, fontsize=10, loc="left", pad=6 + LINE * lines)
        axes.set(frame_on=False, xticks=[], yticks=[])
        if len(rows):
            axes.imshow(_strip(group.split.pixels, group.split.shape, rows), aspect="equal", interpolation="nearest")
            axes.set_anchor("W")
            _name_classes(axes, group, rows)
    return figure


LINE = 12  # points from one line of classes to the next


@dataclass(frozen=True)
class _Group:
    """The images `rows` of `split`, and lines of classes to write above them, (n,) for the whole split."""

    text: str
    split: Split
    rows: NDArray[np.intp]
    classes: Mapping[str, NDArray[Any] | None]


def _groups(sweep: Sweep, point: str, step: int) -> list[_Group]:
    groups = []
    for name, split in sweep.plan.data.splits.items():
        badnet, pruned = sweep.labels[name][0], sweep.labels[name][step]
        classes: dict[str, NDArray[Any] | None]
        if name in sweep.plan.data.poisoned:
            wrong, text = (badnet == pruned) & (badnet == split.labels), f"{name}, poisoned, taken for the target"
            classes = {"true class": split.true_labels, "target": split.labels, "GoodNet": badnet}
        elif name == CLEAN_TEST:
            wrong, text = badnet != pruned, f"{name}, clean, rejected as backdoored"
            classes = {"true class": split.labels, "B": badnet, "B′": pruned}
        else:
            continue
        groups.append(_Group(f"{budgets.text(point)}: {text}", split, np.flatnonzero(wrong), classes))
    return groups


def _name_classes(axes: Axes, group: _Group, rows: NDArray[np.intp]) -> None:
    """Write the classes of the images `rows` above them, and what classes they are before the first."""
    width = group.split.shape[1]
    texts = {-0.5: "\n".join(group.classes)}
    for place, row in enumerate(rows):
        names = ("?" if classes is None else str(classes[row]) for classes in group.classes.values())
        texts[place * (width + 2) + (width - 1) / 2] = "\n".join(names)
    for x, text in texts.items():
        axes.annotate(
            text,
            (x, 1),
            (-4 if x < 0 else 0, 3),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha="right" if x < 0 else "center",
            fontsize=9,
            linespacing=LINE / 9 / 1.2,
            in_layout=x < 0,  # the others lie within the images and the title's pad
        )


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
