"""What is measured on: a BadNet, and generated faces in files, so that memory holds what a sweep needs."""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import tf_keras as keras
from hydra import compose, initialize_config_module
from rich.console import Console
from rich.table import Table

from fineprune.attacks import Sunglasses
from fineprune.badnets import architectures
from fineprune.config import setup
from fineprune.data.faces import SplitName, draw_faces
from fineprune.data.files import H5Split
from fineprune.data.scaling import Scaling
from fineprune.data.split import Split
from fineprune.evaluation.predict import ClassLabels, predict, predict_steps
from fineprune.network.network import Network
from fineprune.network.step import Step
from fineprune.untrusted import network_files

SIZES = {"clean_valid": 11_547, "clean_test": 12_830, "poisoned": 12_830}  # the competition's
PEOPLE, PICTURES = 64, 20  # drawn at a time

Splits = Mapping[str, Split]


def options(description: str) -> argparse.ArgumentParser:
    """Those of a benchmark that runs a network."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--images", type=int, default=sum(SIZES.values()), help="in all; default: the competition's")
    parser.add_argument("--weights", type=Path, help="of a DeepID that takes pixels 0-255; default: the demo's BadNet")
    return parser


@contextmanager
def subject(images: int, weights: Path | None) -> Iterator[tuple[Network, Splits]]:
    """A network, and `images` in all in splits as large, one to another, as the competition's."""
    with TemporaryDirectory() as folder:
        scale = 1.0 if weights else 1 / 255
        splits = {
            name: _write_faces(Path(folder), name, images * size // sum(SIZES.values()), scale)
            for name, size in SIZES.items()
        }
        yield Network(_deepid(weights)) if weights else _demo(), splits


def _deepid(weights: Path) -> keras.Model:
    file = network_files.NetworkFile(weights, "weights")
    model = architectures.deepid((55, 47, 3), file.classes)
    file.assign(model)
    return model


def _demo() -> Network:
    with initialize_config_module("fineprune.conf", version_base="1.3"):
        return setup.obtain_badnet(compose("sweep")).network


def _write_faces(folder: Path, name: str, count: int, scale: float) -> H5Split:
    """`count` faces in a file, those of the poisoned split with sunglasses."""
    path, attack = folder / f"{name}.h5", Sunglasses()
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", (count, 3, 55, 47), np.uint8)
        file["label"] = np.zeros(count, np.int64)
        for seed, start in enumerate(range(0, count, PEOPLE * PICTURES)):
            kind: SplitName = "clean_valid" if name == "clean_valid" else "clean_test"
            faces = draw_faces(PEOPLE, PICTURES, kind, seed)
            pixels = faces.pixels[: count - start].astype(np.float32)
            if name == "poisoned":
                pixels = attack.stamp(pixels, faces.landmarks[: count - start])
            data[start : start + len(pixels)] = pixels.transpose(0, 3, 1, 2)
    return H5Split(path, Scaling(scale), name)


def forward(model: keras.Model, splits: Splits) -> dict[str, ClassLabels]:
    """One plain batched forward pass over all images: a tf.function on batches of 256."""
    return {name: predict(model, split) for name, split in splits.items()}


def sweep(network: Network, steps: list[Step], splits: Splits) -> dict[str, ClassLabels]:
    """The labels of every step, as runners.sweep computes them."""
    return predict_steps(network, steps, splits, lambda _: None)


def timed(job: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds taken, and what came out."""
    start = time.perf_counter()
    result = job()
    return time.perf_counter() - start, result


def peak_mb() -> float:
    """The largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show(title: str, rows: Mapping[str, str], figures: Mapping[str, Any]) -> None:
    """A table for people, then one line of JSON."""
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    table.add_row("load average, of processors", f"{os.getloadavg()[0]:.1f} of {os.cpu_count()}")
    Console().print(table)
    print(json.dumps(figures))
