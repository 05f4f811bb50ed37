"""Every file of the corpus is refused in one line, in little time and memory, and nothing beside it is touched."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import hostile
import numpy as np
import pytest
from commands import once, run
from nets import same, saved, tiny
from samples import pictures, write_h5

from fineprune.errors import ModelError
from fineprune.untrusted import limits
from fineprune.untrusted.network_files import load_model

ROOT = Path(__file__).parents[2]
CORPUS = {f"model.{name}.h5": made for name, made in hostile.MODELS.items()} | {
    f"images.{name}.h5": made for name, made in hostile.IMAGES.items()
}
PATHS = {
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")]),
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """What opening each file of the corpus ended in, all in one process that is used to nothing of it."""
    lines = (once(tmp_path_factory, "corpus", open_corpus) / "opened.jsonl").read_text().splitlines()
    return {name: rest for name, *rest in map(json.loads, lines)}


def open_corpus(folder: Path) -> None:
    for name, (make, _) in CORPUS.items():
        make(folder / name)
    saved(tiny(), folder / "model.good.h5")
    code = [sys.executable, "-m", "hostile", str(folder)]
    done = subprocess.run(code, env=os.environ | PATHS, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / "opened.jsonl").write_text(done.stdout)


@pytest.mark.parametrize("name", CORPUS)
def test_is_refused_in_one_line_and_little_memory(opened: dict[str, list], name: str) -> None:
    said, seconds, megabytes = opened[name]
    assert said.startswith(CORPUS[name][1])
    assert "\n" not in said
    assert len(said) < 700
    assert seconds < 60
    assert megabytes < 100


def test_a_network_that_means_no_harm_is_not_refused(opened: dict[str, list]) -> None:
    assert opened["model.good.h5"][0] == ""


def test_the_process_that_reads_first_stays_within_its_memory(opened: dict[str, list]) -> None:
    assert opened["vetting"][2] < limits.MEMORY / 2**20 + 200


def test_a_network_that_takes_too_long_to_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS_TO_BUILD", -1)
    with pytest.raises(ModelError, match="^expected an architecture .*, got: layers that take more than -1 seconds"):
        load_model(saved(tiny(), tmp_path / "net.h5"))


PLUGIN = """
#include <stdio.h>
__attribute__((constructor)) static void run(void) { fclose(fopen("MARKER", "w")); }
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_no_plug_in_is_loaded_that_a_file_names(tmp_path: Path) -> None:
    folder, marker = tmp_path / "plugins", tmp_path / "marker"
    folder.mkdir()
    (tmp_path / "plugin.c").write_text(PLUGIN.replace("MARKER", str(marker)))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "libevil.so", tmp_path / "plugin.c"], check=True)  # noqa: S607
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        hostile.filtered(file, "data", (6, 3, 4, 4), 32015)
        file["data"].id.write_direct_chunk((0, 0, 0, 0), b"packed")
        file["label"] = np.zeros(6)
    run = [sys.executable, "-c"]
    environment = os.environ | PATHS | {"HDF5_PLUGIN_PATH": str(folder)}
    plain = f"import h5py; h5py.File({str(path)!r})['data'][0]"
    subprocess.run([*run, plain], env=environment, capture_output=True, check=False)
    assert marker.exists(), "h5py itself loads it"
    marker.unlink()
    ours = f"import fineprune.untrusted.images.hdf5_images; import h5py; h5py.File({str(path)!r})['data'][0]"
    done = subprocess.run([*run, ours], env=environment, capture_output=True, text=True, check=False)
    assert "OSError" in done.stderr
    assert not marker.exists()


def test_a_user_block_is_read_over(tmp_path: Path) -> None:
    plain = saved(tiny(), tmp_path / "plain.h5")
    with h5py.File(plain) as old, h5py.File(tmp_path / "net.h5", "w", userblock_size=512) as new:
        new.attrs["model_config"] = old.attrs["model_config"]
        old.copy("model_weights", new)
    with (tmp_path / "net.h5").open("r+b") as file:
        file.write(b"#!/bin/sh\n")
    assert same(load_model(tmp_path / "net.h5").get_weights(), tiny().get_weights())


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("badnet.model", "model.layers_that_wait_for_each_other.h5"),
        ("badnet.weights", "model.weights_that_a_plug_in_unpacks.h5"),
        ("data.clean_valid", "images.labels_of_terabytes.h5"),
        ("data.poisoned.x", "images.pipe.h5"),
    ],
)
def test_the_command_refuses_it_in_one_line_and_leaves_nothing(tmp_path: Path, setting: str, name: str) -> None:
    saved(tiny(), tmp_path / "net.h5")
    write_h5(tmp_path / "valid.h5", pictures(20), np.arange(20) % 5)
    make, said = CORPUS[name]
    make(tmp_path / "FILE")
    before = sorted(tmp_path.rglob("*"))
    given = ["badnet=h5", "badnet.model=net.h5", "data=h5", "data.clean_valid=valid.h5", "hydra.run.dir=out"]
    ended = run(tmp_path, "sweep", *given, f"{setting}=FILE")
    assert ended.status == 2
    assert ended.err.startswith(f"error: {said}".replace("data.clean_test", setting))
    assert ended.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
