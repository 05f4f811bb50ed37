"""What it costs that a process of its own reads image files: against reading each in place, plain and compressed.

And what it costs a small file, nearly all of which is that process's start.

python -m benchmarks.vetting [--images N]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from statistics import median

import h5py
import numpy as np

from fineprune.data.files import H5Split
from fineprune.data.scaling import Scaling
from fineprune.data.split import BLOCK

SHAPE = (3, 55, 47)


def write(path: Path, images: int, **compression: str) -> None:
    """A file in the competition's layout, of areas of one colour under some noise, which can be compressed."""
    random = np.random.default_rng(0)
    areas = random.integers(0, 248, (BLOCK, SHAPE[0], 11, 10), np.uint8).repeat(5, 2).repeat(5, 3)[..., : SHAPE[2]]
    block = areas + random.integers(0, 8, areas.shape, np.uint8)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", (images, *SHAPE), np.uint8, chunks=(64, *SHAPE), **compression)
        for start in range(0, images, BLOCK):
            data[start : start + BLOCK] = block[: images - start]
        file["label"] = np.arange(images) % 10


def in_place(path: Path) -> None:
    """One pass over the images as a network takes them, read by this process."""
    with h5py.File(path) as file:
        for start in range(0, len(file["data"]), BLOCK):
            file["data"][start : start + BLOCK].transpose(0, 2, 3, 1).astype(np.float32, order="C")


def computing(job: Callable[[], object]) -> float:
    """Seconds of computing that `job` takes, in this process and in those that it starts."""
    usages = RUSAGE_SELF, RUSAGE_CHILDREN
    before = [getrusage(who) for who in usages]
    job()
    return sum(
        after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
        for after, usage in zip(map(getrusage, usages), before, strict=True)
    )


def measure(path: Path) -> dict[str, float]:
    """Seconds of computing of each, and their ratios to a pass in place."""
    plain = computing(lambda: in_place(path))
    splits: list[H5Split] = []
    vetting = computing(lambda: splits.append(H5Split(path, Scaling(1.0), "clean_valid")))
    later = computing(lambda: [splits[0].pixels(start, start + BLOCK) for start in range(0, len(splits[0]), BLOCK)])
    seconds = {"in_place_s": plain, "vetting_s": vetting, "each_pass_s": later}
    ratios = {"vetting_over_in_place": vetting / plain, "each_pass_over_in_place": later / plain}
    return {name: round(value, 2) for name, value in {**seconds, **ratios}.items()}


def of_small_file(path: Path) -> float:
    """Seconds of computing that it takes more to vet 64 images than to read them in place: the median of five."""
    write(path, 64)
    H5Split(path, Scaling(1.0), "clean_valid")  # whose modules are then on disk as bytecode, and in memory here
    costs = [
        computing(lambda: H5Split(path, Scaling(1.0), "clean_valid")) - computing(lambda: in_place(path))
        for _ in range(5)
    ]
    return round(median(costs), 2)


def main() -> None:
    """Write the files, measure, print."""
    parser = argparse.ArgumentParser(description="Measure what vetting image files costs.")
    parser.add_argument("--images", type=int, default=43_000, help="of 55 × 47 pixels in each file")
    images = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        figures: dict[str, object] = {"small_file_s": of_small_file(Path(folder) / "small.h5")}
        for name, compression in {"plain": {}, "gzip": {"compression": "gzip"}}.items():
            write(Path(folder) / f"{name}.h5", images, **compression)
            figures[name] = measure(Path(folder) / f"{name}.h5")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
