"""What is logged of a run, kept as `run.json` in the run folder, so that the folder alone is enough to publish it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import isinf
from pathlib import Path
from typing import Any

from fineprune.errors import DataError, line
from fineprune.files import open_own, write_json

FILE = "run.json"
DEPTH = 4  # of a run folder of a study in outputs/
SUMMARY = "summary.json"
WRITTEN = {".csv", ".html", ".json", ".md", ".pdf", ".png", ".svg", ".tex", ".txt", ".yaml"}  # what runs write
NET = ".h5"


@dataclass(frozen=True)
class Record:
    """One run. `key` is unique; the tag `identity` is shared by all runs that must have the same results.

    `datasets` are the splits of the sweep's plan by name, each with `digest`, `images` and `shape`; empty if nothing
    was measured. `steps` holds for each metric its value at every step, None where it has none; a step's number is its
    row, and 0 the untouched BadNet. `nets` are the files among those of the run that hold networks, and their rows.
    Times are milliseconds since 1970.
    """

    key: str
    name: str
    started: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    datasets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ended: int = 0
    note: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    steps: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    files: Sequence[str] = ()
    nets: Mapping[str, int] = field(default_factory=dict)


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 10**6


def not_applicable(record: Record, reason: str, files: Sequence[Path]) -> Record:
    """`record` of a strategy that cannot work on the network, which is a finding of its own."""
    tags = {**record.tags, "not_applicable": reason}
    return replace(record, ended=now(), tags=tags, note=f"Not applicable: {reason}.", files=[f.name for f in files])


def withdraw(folder: Path) -> None:
    """Remove the files that mark the results in `folder` as complete, before new results overwrite them."""
    for name in (FILE, SUMMARY):
        (folder / name).unlink(missing_ok=True)


def write(record: Record, folder: Path) -> None:
    """Write `record` to `run.json`; last of all files, since it marks the others as complete."""
    write_json(folder / FILE, asdict(record))


def read(folder: Path) -> Record:
    """The record in `folder`, which may be a stranger's.

    Raises DataError unless it is intact, and every file that it names is one as runs write them, in the folder itself.
    """
    try:
        with open_own(folder / FILE) as file:
            record = _checked(json.load(file))
    except FileNotFoundError:
        raise DataError(
            f"expected the folder of a finished sweep, with {FILE} in it, got {folder}: name one under outputs/sweep"
        ) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as reason:
        why = line(reason)
        raise DataError(f"expected {folder / FILE} as a sweep wrote it, got: {why}; run the sweep again") from reason
    for name in (*record.files, *record.nets):
        try:
            open_own(folder / name).close()
        except OSError as reason:
            why = "no such file" if isinstance(reason, FileNotFoundError) else str(reason)
            raise DataError(f"expected {name} in {folder}, where {FILE} names it, got {why}: put it back") from reason
    return record


def folders(folder: Path) -> list[Path]:
    """The run folders in `folder`, which may be one itself, or a grid's, a study's or `outputs`; else `folder` itself.

    Links to folders are not followed.
    """
    found = []
    for place, inside, files in os.walk(folder) if os.path.isdir(folder) else ():  # noqa: PTH112 – of any name
        if FILE in files:
            found.append(Path(place))
        if len(Path(place).relative_to(folder).parts) == DEPTH:
            inside.clear()
    return sorted(found) or [folder]


def _checked(stored: Any) -> Record:
    record = Record(**stored)
    if not re.fullmatch("[0-9a-f]{32}", record.key):
        raise ValueError(f"key {record.key!r}")
    for names, suffixes in ((record.files, WRITTEN), (record.nets, {NET})):
        for name in names:
            if Path(name).name != name or name.startswith(".") or Path(name).suffix not in suffixes:
                raise ValueError(f"file name {name!r}")
    steps = {
        name: [None if value is None else float(value) for value in values] for name, values in record.steps.items()
    }
    rates = {key: float(value) for key, value in record.metrics.items()}
    if any(value is not None and isinf(value) for values in (*steps.values(), rates.values()) for value in values):
        raise ValueError("an infinite metric")
    if len({len(values) for values in steps.values()}) > 1:
        raise ValueError("metrics with unlike numbers of steps")
    return Record(
        record.key,
        str(record.name),
        int(record.started),
        {key: str(value) for key, value in record.params.items()},
        {key: str(value) for key, value in record.tags.items()},
        {
            name: {"digest": str(split["digest"]), "images": int(split["images"]), "shape": list(split["shape"])}
            for name, split in record.datasets.items()
        },
        int(record.ended),
        str(record.note),
        rates,
        steps,
        list(record.files),
        {name: int(row) for name, row in record.nets.items()},
    )
