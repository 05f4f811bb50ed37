"""Why a strategy works or fails: which channels the trigger excites, and when they are pruned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from fineprune.data.split import CLEAN_TEST, CLEAN_VALID, ArraySplit, Data, Split, Subset, fits
from fineprune.errors import ModelError
from fineprune.network.network import Network
from fineprune.network.step import Scale, Silence, Step
from fineprune.report.curve import ROW, SMALL, WIDTH, mark_points, point_texts
from fineprune.report.palette import REST, look
from fineprune.sweeping.run import Sweep

IMAGES = 256  # of each split, shared among the layers: enough for means in a picture, and a small part of a sweep
LAYERS, PANELS = 8, 3  # how many layers, the last, are measured; and how many of them are drawn
SHOWN = 4  # images of each kind that a channel is drawn on
CLEAN = "clean"
PANEL = (72 * (WIDTH - 0.9), 72 * 1.5)  # points: about what is left of a panel's width and height beside its texts

Array = NDArray[Any]


@dataclass(frozen=True)
class Layer:
    """A layer whose channels are pruned.

    `first` is the row at which each channel is pruned, (channels,), infinity for those that never are; `means` the
    mean activation of each, (channels,), on CLEAN images and on those with each trigger.
    """

    name: str
    end: str
    first: Array
    means: Mapping[str, Array]

    @cached_property
    def order(self) -> Array:
        """The channels, the first that is pruned first."""
        return np.argsort(self.first, kind="stable")

    def place(self, channel: int) -> int:
        """The position of `channel` in the order of pruning, from 1."""
        return int(np.flatnonzero(self.order == channel)[0]) + 1

    def risen(self, trigger: str) -> Array:
        """The channels, the one that rises most under `trigger` first."""
        return np.argsort(self.means[CLEAN] - self.means[trigger], kind="stable")

    @property
    def rise(self) -> float:
        """How far the channel that rises most under some trigger does, relative to the layer's mean on clean images."""
        clean = self.means[CLEAN]
        most = max(float((mean - clean).max()) for mean in self.means.values())
        return most / (float(np.abs(clean).mean()) + 1e-9)


def channels(sweep: Sweep) -> Figure | None:
    """Mean activation of each channel on clean and on poisoned images, in the order of pruning, with the points marked.

    Up to PANELS layers, those in which some channel rises most. Below, the channels that rise most: what excites them
    in some images without and with the trigger. None where no channels are pruned, or no image is poisoned.
    """
    network, data = sweep.plan.network, sweep.plan.data
    first = dict(list(first_pruned(sweep.plan.steps).items())[-LAYERS:])
    if not first or not data.poisoned:
        return None
    count = _images(network, list(first), data)
    samples = {name: _spread(split, count) for name, split in _kinds(data).items()}
    layers = _measured(network, first, samples)
    if not layers:
        return None
    maps = _most_risen(layers, list(data.poisoned))
    return _drawn(sweep, layers, maps, samples)


def first_pruned(steps: Sequence[Step]) -> dict[str, Array]:
    """For each layer of which channels are silenced or scaled to nothing the row at which each is, (channels,)."""
    first: dict[str, Array] = {}
    for row, step in enumerate(steps, 1):
        for layer, edit in {**step.of(Scale), **step.of(Silence)}.items():
            zeros = np.where(edit.factors == 0, row, np.inf)
            first[layer] = np.minimum(first.get(layer, np.inf), zeros)
    return {layer: rows for layer, rows in first.items() if np.isfinite(rows).any()}


def _kinds(data: Data) -> dict[str, Split]:
    clean = data.splits.get(CLEAN_TEST, data.splits[CLEAN_VALID])
    return {CLEAN: clean, **data.poisoned}


def _images(network: Network, layers: list[str], data: Data) -> int:
    shapes = [network.model.get_layer(_end(network, layer)).output_shape[1:] for layer in layers]
    count, kinds = IMAGES // len(layers), 1 + len(data.poisoned)
    while count > SHOWN and not all(fits(count * kinds, shape) for shape in shapes):
        count //= 2
    return count


def _spread(split: Split, count: int) -> Subset:
    """Up to `count` images from all over `split`."""
    return Subset(split, np.unique(np.linspace(0, len(split) - 1, count).astype(int)))


def _end(network: Network, layer: str) -> str:
    """Where what `layer` emits has passed its normalisation and activation."""
    for unit in network.units.values():
        if layer in (unit.layer, *unit.followers):
            return unit.end
    return network.unit(layer).end


def _measured(network: Network, first: Mapping[str, Array], samples: Mapping[str, Subset]) -> list[Layer]:
    """The PANELS layers whose channels rise most, the largest rise first; not those whose activations overflow."""
    images = _together(list(samples.values()))
    ends = np.cumsum([len(sample) for sample in samples.values()])[:-1]
    layers = []
    for layer, rows in first.items():
        end = _end(network, layer)
        try:
            parts = np.split(network.activations(end, images), ends)
        except ModelError:
            continue
        means = {kind: part.mean(axis=0) for kind, part in zip(samples, parts, strict=True)}
        layers.append(Layer(layer, end, rows, means))
    return sorted(layers, key=lambda layer: -layer.rise)[:PANELS]


def _together(samples: Sequence[Subset]) -> ArraySplit:
    """All images of `samples` as one split, so that a layer is reached once."""
    pixels = np.concatenate([sample.pixels(0, len(sample)) for sample in samples])
    return ArraySplit(
        np.rint(pixels).astype(np.uint8), np.concatenate([sample.labels for sample in samples]), samples[0].scaling
    )


@dataclass(frozen=True)
class Map:
    """A channel to be drawn on clean images and on those with a trigger."""

    layer: Layer
    channel: int
    trigger: str


def _most_risen(layers: Sequence[Layer], triggers: Sequence[str]) -> list[Map]:
    """The two channels of the first of `layers` that rise most under the trigger; of several triggers, one for each."""
    each = 2 if len(triggers) == 1 else 1
    return [Map(layers[0], int(channel), name) for name in triggers for channel in layers[0].risen(name)[:each]]


def _drawn(sweep: Sweep, layers: Sequence[Layer], maps: Sequence[Map], samples: Mapping[str, Subset]) -> Figure:
    strips = [(one, _strip(sweep.plan.network, one, samples)) for one in maps]
    strips = [(one, strip) for one, strip in strips if strip is not None]
    heights = [2.5] * len(layers) + [1.15] * len(strips)
    figure = Figure(figsize=(WIDTH, 1.1 + sum(heights)), layout="constrained")
    figure.suptitle("Which channels the trigger excites, and when they are pruned", fontsize=10.5)
    axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for panel, layer in zip(axes, layers, strict=False):
        _panel(figure, panel, layer, sweep)
        _name_channels(panel, [one for one in maps if one.layer is layer])
    for panel, (one, strip) in zip(axes[len(layers) :], strips, strict=True):
        text = f"channel {one.channel} of {one.layer.name}: on {SHOWN} clean images, and on {SHOWN} of {one.trigger}"
        panel.set_title(text, fontsize=SMALL, loc="left")
        panel.imshow(strip, aspect="equal", interpolation="nearest")
        panel.axis("off")
    handles, kinds = axes[0].get_legend_handles_labels()
    labels = [f"{kind}, mean over {len(samples[kind])} images" for kind in kinds]
    figure.legend(handles, labels, loc="outside lower left", ncols=2, frameon=False, fontsize=SMALL, handlelength=3)
    return figure


def _panel(figure: Figure, axes: Axes, layer: Layer, sweep: Sweep) -> None:
    edges = np.arange(len(layer.order) + 1) + 0.5
    for number, (kind, means) in enumerate(layer.means.items()):
        shown, filled = look(number), kind == CLEAN
        line: dict[str, Any] = {"alpha": 0.55, "lw": 0} if filled else {"ls": shown.stroke, "lw": 1.6, "baseline": None}
        axes.stairs(means[layer.order], edges, fill=filled, color=shown.colour, label=kind, **line)
    never = int(np.isinf(layer.first).sum())
    if never:
        axes.axvspan(edges[-1] - never, edges[-1], color=REST, alpha=0.12, lw=0)
    last = f"; the last {never}, grey, are never pruned" if never else ""
    axes.set(xlim=(edges[0], edges[-1]), xlabel=f"channels of {layer.name}, in the order of pruning{last}")
    axes.set_ylabel("mean activation")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.15)
    pruned = np.searchsorted(np.sort(layer.first), range(1 + len(sweep.plan.steps)), side="right")
    rows = mark_points(figure, axes, point_texts(sweep, pd.Series(pruned + 0.5)))
    axes.set_title(" ", fontsize=2, pad=ROW * rows)


def _name_channels(axes: Axes, maps: Sequence[Map]) -> None:
    """Write the numbers of the channels above them, of those that would overprint each other the first alone."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    written: list[tuple[float, float, float]] = []
    for one in maps:
        place, height = one.layer.place(one.channel), one.layer.means[one.trigger][one.channel]
        side = "left" if place < 0.03 * len(one.layer.order) else "center"  # not over the axis
        x, y = PANEL[0] * (place - left) / (right - left), PANEL[1] * (height - bottom) / (top - bottom)
        width = 0.62 * SMALL * len(str(one.channel))
        start = x if side == "left" else x - width / 2
        if any(start < end and other < start + width and abs(y - at) < SMALL for other, end, at in written):
            continue
        written.append((start, start + width, y))
        axes.annotate(str(one.channel), (place, height), (0, 3), textcoords="offset points", ha=side, fontsize=SMALL)


def _strip(network: Network, one: Map, samples: Mapping[str, Subset]) -> NDArray[np.uint8] | None:
    """The channel's maps on SHOWN clean images and SHOWN with the trigger, side by side; None where it has no maps.

    Brighter is more excited, on one scale; where a channel is not excited the image is grey.
    """
    images = _together([_spread(samples[kind], SHOWN) for kind in (CLEAN, one.trigger)])
    maps = network.activations(one.layer.end, images, lambda block: block[..., one.channel])
    if maps.ndim != 3:
        return None
    levels = maps.clip(0) / max(float(maps.max()), 1e-9)
    pixels = images.pixels(0, len(images))
    laid = [_laid_over(level, image) for level, image in zip(levels, pixels, strict=True)]
    gap = np.full((pixels.shape[1], 3, 3), 255, np.uint8)
    return np.hstack([part for image in laid for part in (image, gap)][:-1])


def _laid_over(level: Array, image: Array) -> NDArray[np.uint8]:
    """`level`, (h, w) in [0, 1], in colour over `image`, (H, W, C), in grey; (H, W, 3)."""
    height, width, _ = image.shape
    level = np.asarray(Image.fromarray(level.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))
    heat = 255 * matplotlib.colormaps["inferno"](level)[..., :3]
    share = 0.8 * level[..., None]
    laid: NDArray[np.uint8] = (
        ((1 - share) * image.mean(axis=-1, keepdims=True) + share * heat).clip(0, 255).astype(np.uint8)
    )
    return laid
