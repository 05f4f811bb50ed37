"""Killed at any moment, a command leaves nothing that looks finished and is not; run again, it ends as ever."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
import victims
from victims import DATA, SWEEP, said


@dataclass(frozen=True)
class Piece:
    """A command; what of `given` is in its folder beforehand; how often it is killed, half the times at a change."""

    command: tuple[str, ...]
    given: tuple[str, ...]
    kills: int


PIECES = {
    "save": Piece(("save",), ("net.h5",), 8),
    "training": Piece(("train_badnet", *DATA, "hydra.run.dir=out"), (), 2),
    # Over the results of another sweep, with which it must not be mixed up.
    "sweep": Piece((*SWEEP, "hydra.run.dir=out"), ("models", "mlruns", "out"), 4),
    "fresh store": Piece((*SWEEP, "hydra.run.dir=out"), ("models",), 2),
    "grid": Piece(
        ("sweep", "-m", *SWEEP[1:], "seed=0", "budgets=[0.02],[0.1]", "hydra.sweep.dir=out"), ("models", "mlruns"), 2
    ),
    "publish": Piece(
        ("publish", "out", "tracking.experiment=fineprune", "tracking.uri=sqlite:///mlruns/mlflow.db"),
        ("mlruns", "out"),
        8,
    ),
}


def prepare(given: Path, piece: Piece, folder: Path) -> None:
    """Make `folder`, with what the piece takes of `given`."""
    folder.mkdir()
    for part in piece.given:
        copy = shutil.copytree if (given / part).is_dir() else shutil.copy
        copy(given / part, folder / part)


def files(folder: Path) -> dict[str, str]:
    """A digest of every result in `folder`, by its path, less what differs from one run to the next."""
    digests = {}
    for path in folder.rglob("[!.]*.*"):
        name = str(path.relative_to(folder))
        if path.is_file() and not name.startswith("mlruns") and path.suffix not in (".lock", ".jsonl"):
            content = _lasting(path.read_text()) if path.suffix == ".json" else path.read_bytes()
            digests[name] = hashlib.sha256(content).hexdigest()
    return digests


def _lasting(text: str) -> bytes:
    """The JSON `text` less times, and less the key of the one run."""
    content = json.loads(text)
    for volatile in ("seconds", "key", "started", "ended"):
        content.pop(volatile, None)
    if "metrics" in content:
        content["metrics"] = {key: rate for key, rate in content["metrics"].items() if not key.startswith("seconds/")}
    return json.dumps(content, sort_keys=True).encode()


def finished(folder: Path) -> list[str]:
    """Each run that MLflow says is finished: all that it holds, less what differs from one run to the next."""
    runs = rows(folder, "select run_uuid, name, artifact_uri from runs where status = 'FINISHED'")
    return sorted(json.dumps(_logged(folder, *run), sort_keys=True) for run in runs)


def _logged(folder: Path, run: str, name: str, artifacts: str) -> dict[str, Any]:
    models = rows(
        folder,
        "select name, status, artifact_location from logged_models where source_run_id = ? and lifecycle_stage != ?",
        run,
        "deleted",
    )
    return {
        "name": name,
        "params": sorted(rows(folder, "select key, value from params where run_uuid = ?", run)),
        # The process of an unfinished run says nothing of one that is finished, and goes right after.
        "tags": sorted(
            rows(folder, "select key, value from tags where run_uuid = ? and key not in ('run_key', 'process')", run)
        ),
        "metrics": sorted(
            rows(folder, "select key, step, value from metrics where run_uuid = ? and key not like 'seconds/%'", run)
        ),
        "inputs": rows(folder, "select count(*) from inputs where destination_id = ?", run),
        "artifacts": files(Path(unquote(urlparse(artifacts).path))),
        "models": sorted((name, status, sorted(_net(where))) for name, status, where in models),
    }


def _net(location: str) -> list[tuple[str, str]]:
    return [item for item in files(Path(unquote(urlparse(location).path))).items() if item[0].endswith(".h5")]


def rows(folder: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    """What the store answers; nothing where it is not there yet."""
    file = folder / "mlruns" / "mlflow.db"
    if not file.exists():
        return []
    with sqlite3.connect(file) as store:
        return list(store.execute(query, values))


def check_nothing_looks_finished_that_is_not(
    folder: Path, before: dict[str, str], whole: dict[str, str], logged: list[str]
) -> None:
    now = files(folder)
    for name, content in now.items():
        assert content in (before.get(name), whole.get(name)), name
    assert set(finished(folder)) <= set(logged)
    for last in [name for name in now if Path(name).name in ("run.json", "summary.json")]:
        beside = {name for name in whole if Path(name).parent == Path(last).parent and name != last}
        told = before if now[last] == before.get(last) else whole
        assert all(now.get(name) == told[name] for name in beside - {f"{Path(last).parent}/run.json"}), last
    for card in [name for name in now if name.startswith("models/") and name.endswith(".json")]:
        assert card.replace(".json", ".h5") in now


def kills(count: int, undisturbed: victims.Died) -> Iterator[dict[str, Any]]:
    """Moments, each drawn from its own stretch: half by time, and half by changes of files, most of them near the end.

    There results are written, and logged.
    """
    draw = np.random.default_rng(0)
    for number in range(half := count // 2):
        yield {"seconds": undisturbed.seconds * (number + draw.random()) / half}
        yield {"changes": 1 + int(undisturbed.changes * (1 - ((number + draw.random()) / half) ** 2))}


@pytest.mark.parametrize("name", PIECES)
def test_killed_and_run_again(name: str, given: Path, tmp_path: Path) -> None:
    piece, folder = PIECES[name], tmp_path / "folder"
    prepare(given, piece, folder)
    before = files(folder)
    undisturbed = victims.perform(folder, piece.command)
    assert undisturbed.status == 0, said(folder)
    whole, logged = files(folder), finished(folder)
    assert whole != before or logged
    died = 0
    for number, moment in enumerate(kills(piece.kills, undisturbed)):
        shutil.rmtree(folder)
        prepare(given, piece, folder)
        died += victims.perform(folder, piece.command, **moment).status == -9
        check_nothing_looks_finished_that_is_not(folder, before, whole, logged)
        again = victims.perform(folder, piece.command)
        told = f"kill {number}, {moment}:\n{said(folder)}"
        assert again.status == 0, told
        assert files(folder) == whole, told
        ended = finished(folder)
        assert set(ended) == set(logged), told
        # A single sweep that was killed after all was done is done twice.
        assert name in ("sweep", "fresh store") or len(ended) == len(logged), told
        assert rows(folder, "select run_uuid from runs where status = 'RUNNING'") == [], told
        # MLflow never removes its own.
        assert [path for path in folder.rglob(".[!a]*") if path.is_file()] == [], told
    assert 2 * died >= piece.kills
