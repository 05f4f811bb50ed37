"""A sweep whose nets meet something after the defence, from the command line to MLflow."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from commands import run
from nets import tiny
from samples import pictures, write_h5

from fineprune.files import save_model
from fineprune.sweeping.outcomes import COLUMNS, Outcome
from fineprune.tracking import MlflowTracking

NETWORK = ["badnet=h5", "badnet.model=net.h5", "data=h5", "data.clean_valid=valid.h5", "data.clean_test=test.h5"]
STAGES = ["aftermath=[quantise,retuning]", "aftermath.retuning.epochs=1"]


def test_each_net_is_measured_before_and_after_and_a_mistake_leaves_nothing_behind(tmp_path: Path) -> None:
    net = tiny()
    save_model(net, tmp_path / "net.h5")
    for number, name in enumerate(("valid", "test", "hat")):
        pixels = pictures(40, seed=number)
        labels = net.predict(pixels / np.float32(255), verbose=0).argmax(axis=1)
        write_h5(tmp_path / f"{name}.h5", pixels, labels)
    before = sorted(tmp_path.iterdir())
    refused = run(tmp_path, "sweep", *NETWORK, *STAGES)
    assert refused.status == 2 and refused.err.count("\n") == 1
    assert refused.err.startswith("error: expected poisoned images, which aftermath=retuning trains on, got none: set")
    assert sorted(tmp_path.iterdir()) == before

    hat = "data.poisoned.hat=hat.h5"
    ended = run(tmp_path, "sweep", *NETWORK, hat, *STAGES, "budgets=[0.1]", "hydra.run.dir=out")
    assert (ended.status, ended.err) == (0, "")
    assert "retuning* " in ended.out
    table = pd.read_csv(tmp_path / "out" / "aftermath.csv")
    assert list(table) == COLUMNS
    assert table[["stage", "poisoned"]].to_numpy().tolist() == [["quantise", 0], ["retuning", 5]]
    expected = {key: rate for row in table.to_dict("records") for key, rate in Outcome(**row).metrics().items()}  # type: ignore[misc]
    logged = json.loads((tmp_path / "out" / "run.json").read_text())["metrics"]
    assert expected.items() <= logged.items() and len(expected) == 8
    (finished,) = MlflowTracking("fineprune", f"sqlite:///{tmp_path}/mlruns/mlflow.db").finished()
    assert expected.items() <= finished.metrics.items()
    assert set(finished.digests) >= {"clean_test", "hat"} and all(finished.digests.values())
