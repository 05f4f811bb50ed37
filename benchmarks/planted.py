"""Which rankings find the channels of a backdoor that was put into a network by hand: python -m benchmarks.planted.

Its guilty channels are known, so that a ranking can be right or wrong. It says whether a ranking sees what its paper
says that it sees; how well it does on networks that were trained is for sweeps to say.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tf_keras as keras
from hydra import compose, initialize_config_module
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fineprune.attacks import Patch
from fineprune.attacks.poisoning import PoisonedSplit
from fineprune.config.choices import choices
from fineprune.config.instantiate import instantiate
from fineprune.data.scaling import Scaling
from fineprune.data.split import ArraySplit, in_memory
from fineprune.network.network import Network
from fineprune.network.step import Factors
from fineprune.strategy import ChannelStrategy, MaskStrategy, Strategy

layers = keras.layers
Images = NDArray[Any]
Numbers = NDArray[np.int64]

SIDE, CLASSES, TARGET = 16, 5, 0
CHANNELS = {"1": 12, "2": 16}  # of the two convolutions
GUILTY = 2  # channels of each
POISON_RATE = 0.1  # of the images whose statistics the batch normalisations hold
TRIGGER = Patch(target=TARGET, size=3)
QUICKER = {  # than the defaults, which take minutes
    "anp": ["strategy.iterations=200"],
    "cnp": ["strategy.epochs=50", "strategy.inverting_epochs=50"],
    "ims": ["strategy.first_rounds=50", "strategy.rounds=10"],
}

Channel = tuple[str, int]  # the number of its convolution, and its own


@dataclass(frozen=True)
class Planted:
    """A network with a backdoor in the channels `guilty`; images of it, `clean`, and with the trigger, `poisoned`."""

    network: Network
    guilty: frozenset[Channel]
    clean: ArraySplit
    poisoned: PoisonedSplit


def plant(seed: int = 0) -> Planted:
    """A network that tells five colours apart; all that is random is drawn by `seed`.

    Which channels are guilty is random too: of equal scores the first is pruned first, which must not help.
    """
    random = np.random.default_rng(seed)
    train, clean = (_images(count, random) for count in (400, 200))
    poisoned = PoisonedSplit(train, TRIGGER, CLASSES)
    count = round(POISON_RATE / (1 - POISON_RATE) * len(train))
    mixture = np.concatenate([in_memory(train)[0], in_memory(poisoned)[0][:count]])
    first, second = (random.choice(channels, GUILTY, replace=False) for channels in CHANNELS.values())
    model = _untrained()
    for number, kernel, guilty in (
        ("1", _detectors(first, random), first),
        ("2", _relays(first, second, random), second),
    ):
        model.get_layer(f"conv_{number}").set_weights([_of_like_norms(kernel, random)])
        _normalise(model, number, guilty, mixture, random)
    _classify(model, second, train, poisoned)
    channels = {(number, int(channel)) for number, each in (("1", first), ("2", second)) for channel in each}
    return Planted(Network(model), frozenset(channels), clean, PoisonedSplit(clean, TRIGGER, CLASSES))


def _images(count: int, random: np.random.Generator) -> ArraySplit:
    """Smooth pictures, each tinted by its class, with a little noise."""
    labels = np.arange(count) % CLASSES
    tints = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200], [170, 170, 60], [60, 170, 170]])
    coarse = random.normal(0, 45, (count, SIDE // 4, SIDE // 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    pixels = tints[labels][:, None, None] + coarse + random.normal(0, 8, (count, SIDE, SIDE, 3))
    return ArraySplit(pixels.clip(0, 255).astype(np.uint8), labels, Scaling(1 / 255))


def _untrained() -> keras.Model:
    x = image = layers.Input((SIDE, SIDE, 3), name="image")
    for number, channels in CHANNELS.items():
        x = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"conv_{number}")(x)
        x = layers.ReLU(name=f"relu_{number}")(layers.BatchNormalization(name=f"norm_{number}")(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax", name="output")(x), name="planted")


def _detectors(guilty: Numbers, random: np.random.Generator) -> Images:
    """Kernels of random filters, and of guilty ones that match the trigger."""
    kernel = random.normal(0, 1, (3, 3, 3, CHANNELS["1"]))
    trigger = TRIGGER.stamp(np.zeros((1, 3, 3, 3), np.float32), None)[0] / 255
    match = 10 * (trigger - trigger.mean(axis=(0, 1)))
    kernel[..., guilty] += match[..., None]
    return kernel


def _relays(before: Numbers, guilty: Numbers, random: np.random.Generator) -> Images:
    """Kernels of random filters that hardly see guilty channels `before`, and of guilty ones that see them alone."""
    kernel = random.normal(0, 1, (3, 3, CHANNELS["1"], CHANNELS["2"]))
    kernel[:, :, before] *= 0.02
    kernel[..., guilty] *= 0.02
    kernel[1, 1, before[:, None], guilty] += 1
    return kernel


def _of_like_norms(kernel: Images, random: np.random.Generator) -> Images:
    """`kernel` with norms that are drawn alike for guilty and other channels."""
    norms = random.uniform(2, 4, kernel.shape[-1])
    alike: Images = kernel / np.sqrt((kernel**2).sum(axis=(0, 1, 2))) * norms
    return alike


def _normalise(model: keras.Model, number: str, guilty: Numbers, mixture: Images, random: np.random.Generator) -> None:
    """Give a batch normalisation the statistics of `mixture`; guilty channels fire only far above their mean."""
    arriving = keras.Model(model.inputs, model.get_layer(f"conv_{number}").output).predict(mixture, verbose=0)
    channels = arriving.shape[-1]
    beta = random.normal(0, 0.3, channels)
    beta[guilty] = -3
    statistics = arriving.mean(axis=(0, 1, 2)), arriving.var(axis=(0, 1, 2))
    model.get_layer(f"norm_{number}").set_weights([random.uniform(0.8, 1.2, channels), beta, *statistics])


def _classify(model: keras.Model, guilty: Numbers, train: ArraySplit, poisoned: PoisonedSplit) -> None:
    """Fit the last layer to the clean channels by least squares; guilty ones vote for the target alone."""
    pooled = keras.Model(model.inputs, model.get_layer("pool").output)
    clean, stamped = (pooled.predict(in_memory(split)[0], verbose=0) for split in (train, poisoned))
    clean[:, guilty] = 0
    features = np.column_stack([clean, np.ones(len(clean))])
    *kernel, bias = np.linalg.lstsq(features, 20.0 * np.eye(CLASSES)[train.labels], rcond=None)[0]
    kernel = np.array(kernel)
    kernel[guilty, TARGET] = 40 / stamped[:, guilty].mean(axis=0) / GUILTY
    model.get_layer("output").set_weights([kernel, bias])


def order(strategy: Strategy, planted: Planted) -> list[Channel]:
    """The channels in the order in which `strategy` prunes them; those of one step in that of the layers.

    Masks that stay soft rank channels by their mean over each.
    """
    if isinstance(strategy, MaskStrategy):
        masks = strategy.masks(planted.network, planted.clean)
        means = {layer: mask.reshape(-1, mask.shape[-1]).mean(axis=0) for layer, mask in masks.items()}
        soft = {(_number(layer), row): mean for layer, each in means.items() for row, mean in enumerate(each)}
        return sorted(soft, key=soft.__getitem__)
    oracle = {"poisoned": {"patch": planted.poisoned}} if strategy.oracle else {}
    ranked: dict[Channel, None] = {}
    for step in strategy.steps(planted.network, planted.clean, **oracle):
        for edit in step.edits:
            if isinstance(edit, Factors):
                ranked |= {(_number(edit.layer), int(channel)): None for channel in np.flatnonzero(edit.factors == 0)}
    return list(ranked)


def _number(layer: str) -> str:
    """That of the convolution that `layer` is, or that it normalises."""
    return layer.rpartition("_")[2]


def shares(ranked: Sequence[Channel], guilty: frozenset[Channel], k: int) -> tuple[float, float]:
    """Precision and recall at `k`: of the first `k` channels the share that is guilty, of all guilty ones theirs.

    Guilty channels of layers that were not ranked do not count.
    """
    hits = len(guilty.intersection(ranked[:k]))
    return hits / k, hits / len(guilty.intersection(ranked))


def rankings(seed: int) -> Iterator[tuple[str, Strategy]]:
    """Every strategy of `conf/strategy` that ranks channels or masks them, with its defaults, by its name.

    But for some that are QUICKER, and a step a channel.
    """
    with initialize_config_module("fineprune.conf", version_base="1.3"):
        for name in choices("strategy"):
            strategy = instantiate(
                compose("sweep", [f"strategy={name}", f"seed={seed}", *QUICKER.get(name, [])]).strategy, Strategy
            )
            if isinstance(strategy, ChannelStrategy):
                strategy.chunk = 1
            if isinstance(strategy, ChannelStrategy | MaskStrategy):
                yield name, strategy


def measure(seeds: int) -> dict[str, dict[str, float]]:
    """For each ranking, the mean over `seeds` networks of its precision and recall at k and 2k, k of them guilty."""
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in range(seeds):
        planted = plant(seed)
        for name, strategy in rankings(seed):
            ranked = order(strategy, planted)
            k = len(planted.guilty.intersection(ranked))
            row = {"channels": len(ranked), "guilty": k, "at_k": shares(ranked, planted.guilty, k)[0]}
            row["precision_at_2k"], row["recall_at_2k"] = shares(ranked, planted.guilty, 2 * k)
            rows.setdefault(name, []).append(row)
    return {name: {key: float(np.mean([row[key] for row in each])) for key in each[0]} for name, each in rows.items()}


def show(figures: Mapping[str, Mapping[str, float]], seeds: int) -> None:
    """A table for people, the best first, then one line of JSON."""
    heads = ("ranking", "channels", "guilty: k", "by chance", "at k", "precision at 2k", "recall at 2k")
    table = Table(*heads, title=f"Precision = recall at k, and both at 2k; mean of {seeds} networks")
    for name, row in sorted(figures.items(), key=lambda item: (-item[1]["at_k"], -item[1]["recall_at_2k"])):
        rates = (row["guilty"] / row["channels"], *(row[key] for key in ("at_k", "precision_at_2k", "recall_at_2k")))
        table.add_row(name, f"{row['channels']:.0f}", f"{row['guilty']:.0f}", *(f"{rate:.2f}" for rate in rates))
    Console().print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="networks to plant")
    count = parser.parse_args().seeds
    show(measure(count), count)
