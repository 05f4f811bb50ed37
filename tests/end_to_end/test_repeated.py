"""The same settings give the same files, to the bit, in another process of the same machine."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from commands import run
from nets import tiny
from samples import pictures, write_h5

from fineprune.files import save_model

OWN = ("key", "started", "ended")


def content(path: Path) -> object:
    """What has to be the same: a summary but for its seconds, a network's weights, any other file's bytes."""
    if path.name == "run.json":  # a run's own are its key and its times
        record = {key: value for key, value in json.loads(path.read_text()).items() if key not in OWN}
        return record | {"metrics": {k: v for k, v in record["metrics"].items() if not k.startswith("seconds/")}}
    if path.name == "summary.json":
        return {key: value for key, value in json.loads(path.read_text()).items() if key != "seconds"}
    if path.suffix == ".h5":
        arrays: dict[str, bytes] = {}
        with h5py.File(path) as file:
            file.visititems(
                lambda name, item: arrays.update({name: item[()].tobytes()} if hasattr(item, "dtype") else {})
            )
        assert arrays
        return arrays
    text = path.read_bytes()
    return text.replace(path.parent.name.encode(), b"") if path.suffix == ".yaml" else text


@pytest.mark.parametrize(
    "settings",
    [["finetune=none"], ["strategy=magnitude_dense", "strategy.train=tfmot", "finetune=clean", "finetune.epochs=2"]],
    ids=["pruned", "trained"],
)
def test_a_sweep_again_in_another_process(tmp_path: Path, settings: list[str]) -> None:
    save_model(tiny(), tmp_path / "net.h5")
    for seed, name in enumerate(("valid", "test", "poisoned")):
        write_h5(tmp_path / f"{name}.h5", pictures(90, seed=seed), np.arange(90) % 5)
    given = ["badnet=h5", "badnet.model=net.h5", "data=h5", "data.clean_valid=valid.h5", "data.clean_test=test.h5"]
    given += ["data.poisoned.x=poisoned.h5", "tracking=none", "seed=7", *settings]
    folders = [tmp_path / name for name in ("one_run", "two_runs")]
    for folder in folders:
        ended = run(tmp_path, "sweep", *given, f"hydra.run.dir={folder.name}")
        assert ended.status == 0, ended.err
    first, again = ({path.name: content(path) for path in folder.iterdir()} for folder in folders)
    assert sorted(first) == sorted(again)
    assert {"performance.csv", "summary.json", "curve.png"} < set(first)
    assert [name for name in first if first[name] != again[name]] == []
