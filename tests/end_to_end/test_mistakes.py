"""Every mistake that a user can make: one line that says it, exit status 2, and nothing left behind."""

from pathlib import Path

import numpy as np
import pytest
import victims
from commands import run
from nets import deepid, tiny
from samples import pictures, write_h5

from fineprune.files import save_model

SWEEP = ["badnet=h5", "badnet.model=net.h5", "data=h5", "data.clean_valid=images.h5", "hydra.run.dir=out"]
EVALUATE = ["badnet=h5", "badnet.model=net.h5", "data=h5", "data.clean_test=images.h5", "hydra.run.dir=out"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, images that fit it, and one of each thing that does not."""
    made = tmp_path_factory.mktemp("mistakes")
    save_model(tiny(), made / "net.h5")
    save_model(deepid(), made / "larger.h5")
    deepid().save_weights(made / "weights.h5")
    good, labels = pictures(12), np.arange(12) % 5
    write_h5(made / "images.h5", good, labels)
    write_h5(made / "channels_last.h5", good.transpose(0, 2, 3, 1), labels)
    write_h5(made / "other_size.h5", pictures(12, (9, 9, 3)), labels)
    write_h5(made / "large_label.h5", good, labels + 1)
    write_h5(made / "fraction.h5", good, labels + 0.5)
    write_h5(made / "nan.h5", np.full(good.shape, np.nan), labels)
    write_h5(made / "empty.h5", good[:0], labels[:0])
    (made / "text.h5").write_text("not HDF5")
    return made


CONFIG = [
    ("sweep", ["strategy=nothing"], "channel_activation"),
    ("sweep", ["strategy.chunks=3"], "chunks"),
    ("sweep", ["--fast"], "expected settings as KEY=VALUE, got '--fast'"),
    ("sweep", ["budget=[0.1]"], "budget"),
    ("sweep", ["-m", "strategy=nothing,none"], "channel_activation"),
    ("sweep", ["-m", "strategy=glob(x*)"], "expected at least one job, got none: let glob() match some choice"),
    ("sweep", ["-m", "seed=interval(0,3)"], "BasicSweeper does not support sweep type"),
    ("evaluate", ["data=nothing"], "synthetic_faces"),
]
CONTENT = [
    (
        "sweep",
        [*SWEEP, "data.clean_valid=none.h5"],
        "expected the data.clean_valid images at none.h5, got no such file",
    ),
    ("sweep", [*SWEEP, "data.clean_valid=text.h5"], "to be an HDF5 file, got one that cannot be opened"),
    ("sweep", [*SWEEP, "data.clean_valid=net.h5"], "expected 'data' in net.h5"),
    (
        "sweep",
        [*SWEEP, "data.clean_valid=channels_last.h5", "data.layout=channels_first"],
        "set data.layout=channels_last",
    ),
    ("sweep", [*SWEEP, "data.clean_test=other_size.h5"], "expected images of clean_test to be (12, 10, 3)"),
    (
        "sweep",
        [*SWEEP, "data.clean_test=large_label.h5"],
        "expected labels of clean_test below the network's 5 classes",
    ),
    ("sweep", [*SWEEP, "data.poisoned.a=fraction.h5"], "to hold whole numbers from 0, got 0.5 in row 0"),
    ("sweep", [*SWEEP, "data.clean_test=nan.h5"], "expected pixels from 0 to 255 in nan.h5, got nan in row 0"),
    ("sweep", [*SWEEP, "data.clean_test=empty.h5"], "expected at least one image in empty.h5, got none"),
    (
        "sweep",
        [*SWEEP, "strategy.layers=conv_9"],
        "expected the name of a layer, one of conv_1, pool_1, conv_2, pool_2, flatten, hidden, output, got 'conv_9'",
    ),
    ("sweep", [*SWEEP, "strategy.rank_at=pool"], "expected the name of a layer, one of "),
    ("sweep", [*SWEEP, "grid=a b"], "expected grid to be a name of letters, digits, -, _ and ., got 'a b'"),
    ("publish", [], "folder"),
    ("publish", ["nowhere"], "expected the folder of a finished sweep, with run.json in it, got nowhere"),
    ("sweep", [*SWEEP, "badnet.model=weights.h5"], "expected a whole network in weights.h5"),
    ("sweep", [*SWEEP, "budgets=0.02"], "expected budgets to be "),
    # Before the BadNet is trained, which would take days.
    ("sweep", ["badnet.epochs=100000", "hydra.run.dir=out", "quiet=maybe"], "expected quiet to be true or false, got "),
    ("sweep", ["badnet.epochs=100000", "hydra.run.dir=out", "budgets=[x]"], "expected budgets to be falls of accuracy"),
    ("sweep", [*SWEEP, "data.clean_valid=null"], "expected data.clean_valid"),
    ("sweep", ["badnet=h5", "badnet.weights=weights.h5", "data=h5", "hydra.run.dir=out"], "expected "),
    ("sweep", [*SWEEP, "badnet.model=null", "badnet.weights=weights.h5"], "expected "),
    (
        "sweep",
        ["badnet.cache=text.h5", "data.identities=2", "data.cache=null", "badnet.epochs=1", "hydra.run.dir=out"],
        "expected ",
    ),
    ("evaluate", EVALUATE, "pruned"),
    ("evaluate", [*EVALUATE, "pruned=larger.h5"], "expected the pruned net's images to be the BadNet's (12, 10, 3)"),
    ("evaluate", [*EVALUATE, "pruned=none.h5"], "expected a network or weights at none.h5, got no such file"),
]


@pytest.mark.parametrize(("runner", "arguments", "said"), CONFIG)
def test_a_wrong_setting_is_one_line_and_leaves_nothing(
    folder: Path, runner: str, arguments: list[str], said: str
) -> None:
    before = sorted(folder.rglob("*"))
    ended = run(folder, runner, *arguments)
    check_one_line(ended.err, ended.status, said)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(("runner", "arguments", "said"), CONTENT)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(
    folder: Path, runner: str, arguments: list[str], said: str
) -> None:
    victims.warm()
    before = sorted(folder.rglob("*"))
    ended = victims.perform(folder, (runner, *arguments))
    check_one_line(victims.said(folder), ended.status, said)
    assert sorted(folder.rglob("*")) == before


def check_one_line(printed: str, status: int | None, said: str) -> None:
    assert printed.startswith("error: ")
    assert len(printed.splitlines()) == 1
    assert said in printed
    assert status == 2


@pytest.mark.parametrize("arguments", [["--help"], ["strategy=nothing"], ["--fast"], ["budget=[0.1]"]])
def test_help_and_wrong_settings_do_not_wait_for_tensorflow(folder: Path, arguments: list[str]) -> None:
    imported = run(folder, "sweep", *arguments, python=("-X", "importtime")).err
    modules = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in imported.splitlines() if "|" in line}
    assert "hydra" in modules
    assert not modules & {"tensorflow", "tf_keras", "keras", "mlflow", "h5py", "pandas", "matplotlib"}


def test_help_lists_the_choices(folder: Path) -> None:
    ended = run(folder, "sweep", "--help")
    assert (ended.status, ended.err) == (0, "")
    assert all(text in ended.out for text in ("channel_activation", "synthetic_faces", "budgets"))
