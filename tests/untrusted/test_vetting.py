"""What the process that reads a stranger's file hands over: plain numbers, as they were checked, and nothing else."""

import os
import resource
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from nets import same, saved, tiny
from samples import pictures, write_h5

from fineprune.data.files import H5Split
from fineprune.data.scaling import Scaling
from fineprune.errors import DataError, FinepruneError, ModelError
from fineprune.untrusted import limits, reader, vetting
from fineprune.untrusted.network_files import load_model
from fineprune.untrusted.vetting import Handover, Unnamed, VettedArray, vet


def handed_over(*arrays: np.ndarray) -> list[VettedArray]:
    file = Unnamed()
    handover = Handover(file.opened, "a.h5")
    for array in arrays:
        handover.add("x", array.dtype, array.shape, [array[:1], array[1:]] if array.shape else [array])
    return vetting._received({"arrays": handover.places}, file, DataError)["x"]


ARRAYS = [
    np.arange(35, dtype=np.uint8).reshape(7, 5),
    np.linspace(0, 1, 24, dtype=">f4").reshape(4, 3, 2),
    np.array(7, np.int64),
    np.zeros((0, 3), np.float16),
    np.zeros((3, 0), np.float64),
]


def test_arrays_arrive_as_they_were() -> None:
    for array, arrived in zip(ARRAYS, handed_over(*ARRAYS), strict=True):
        read = arrived.read()
        assert (read.dtype, read.shape) == (array.dtype, array.shape)
        assert np.array_equal(read, array)


@pytest.mark.parametrize(("kind", "files"), [("network", 1), ("images", 1), ("keras archive", 2)])
def test_all_that_a_file_unpacks_to_takes_half_of_what_is_free(kind: str, files: int, tmp_path: Path) -> None:
    with (tmp_path / "handover").open("wb") as file:
        free = os.fstatvfs(file.fileno())
        allowed = reader.bounds(kind, file.name, file.fileno())[resource.RLIMIT_FSIZE]
    half = min(limits.UNPACKED, free.f_bavail * free.f_frsize // 2)
    assert allowed * files == pytest.approx(half, rel=0.05)  # others write to the same disk


def test_rows_are_read_alone() -> None:
    first, second, *_ = handed_over(*ARRAYS)
    assert np.array_equal(first.read(2, 4), ARRAYS[0][2:4])
    assert np.array_equal(second.read(3, 9), ARRAYS[1][3:])
    assert len(first.read(7)) == 0


@pytest.mark.parametrize("dtype", ["O", "V8", "S4", "M8[s]", "c8"])
def test_nothing_but_numbers_is_received(dtype: str) -> None:
    with pytest.raises(DataError, match="^expected numbers from the process that reads a file, got "):
        vetting._received({"arrays": [["x", dtype, [1], 0]]}, Unnamed(), DataError)


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"arrays": 3},
        {"arrays": [["x", "nonsense", [1], 0]]},
        {"arrays": [["x", "u1", [-1], 0]]},
        {"arrays": [["x", "u1", [1], -1]]},
        {"arrays": [["x", "u1", [10**18, 10**18], 0]]},
        {"arrays": [["x", "u1", ["a"], 0]]},
        vetting._parsed("[1"),
    ],
)
def test_a_report_that_makes_no_sense_is_refused(report: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="^expected numbers from the process that reads a file, got something else"):
        vetting._received(report, Unnamed(), DataError)


def test_without_a_folder_for_temporary_files_the_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(**_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(tempfile, "TemporaryFile", none)
    with pytest.raises(FinepruneError, match="^expected room for temporary files, got: No such file .*: set TMPDIR"):
        Unnamed()


def test_what_is_said_there_cannot_steer_a_terminal() -> None:
    with pytest.raises(DataError, match=r"a\\x1b\[31mb"):
        vetting._received({"error": "a\x1b[31mb"}, Unnamed(), DataError)


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("opened by this process")


def test_this_process_opens_no_stranger_s_hdf5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = saved(tiny(), tmp_path / "net.h5")
    images = write_h5(tmp_path / "a.h5", pictures(3), np.arange(3))
    monkeypatch.setattr(h5py.h5f, "open", refuse)
    with pytest.raises(AssertionError):
        h5py.File(images)
    assert same(load_model(network).get_weights(), tiny().get_weights())
    assert np.array_equal(H5Split(images, Scaling(1.0), "data.clean_test").pixels(1, 3), pictures(3)[1:])


def test_images_stay_those_that_were_checked(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "a.h5", pictures(6), np.arange(6))
    split = H5Split(path, Scaling(1.0), "data.clean_test")
    path.write_bytes(bytes(path.stat().st_size))
    assert np.array_equal(split.pixels(0, 6), pictures(6))


def test_a_network_stays_the_one_that_was_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fineprune.untrusted import keras_build

    path, sketch = saved(tiny(), tmp_path / "net.h5"), keras_build.sketch

    def in_the_meantime(*given: Any) -> Any:
        saved(tiny(1), path)
        return sketch(*given)

    monkeypatch.setattr(keras_build, "sketch", in_the_meantime)
    assert same(load_model(path).get_weights(), tiny().get_weights())


def test_nothing_lies_about_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    split = H5Split(write_h5(tmp_path / "a.h5", pictures(6), np.arange(6)), Scaling(1.0), "data.clean_test")
    assert list(folder.iterdir()) == []
    assert len(split.pixels(0, 6)) == 6


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_is_one_line() -> None:
    said = r"^expected a.h5 to unpack to at most .*, got: No space left on device: set TMPDIR"
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(FinepruneError, match=said):
        Handover(full, "a.h5").add("x", np.dtype("u1"), (9,), [np.zeros(9, np.uint8)])


def test_no_secret_and_no_plug_in_goes_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    monkeypatch.setenv("HDF5_VOL_CONNECTOR", "evil")
    monkeypatch.setenv("HDF5_DRIVER", "evil")
    given: dict[str, str] = {}
    run = subprocess.run

    def watched(*command: Any, env: dict[str, str], **rest: Any) -> Any:
        given.update(env)
        return run(*command, env=env, **rest)

    monkeypatch.setattr(subprocess, "run", watched)
    vet("images", write_h5(tmp_path / "a.h5", pictures(3), np.arange(3)), DataError, "images")
    assert given.keys() <= {*vetting.ENVIRONMENT, "PYTHONPATH", "OPENBLAS_NUM_THREADS"}


def test_each_image_in_a_folder_buys_time_at_whatever_depth(tmp_path: Path) -> None:
    (tmp_path / "class" / "deep").mkdir(parents=True)
    for place in (tmp_path, tmp_path / "class", tmp_path / "class" / "deep"):
        (place / "a.png").write_bytes(bytes(limits.BYTES_A_SECOND))
    assert vetting.seconds(tmp_path) >= limits.SECONDS + 3


def test_holes_in_a_file_buy_no_time(tmp_path: Path) -> None:
    with (tmp_path / "a.h5").open("wb") as file:
        file.truncate(2**40)
    assert vetting.seconds(tmp_path / "a.h5") == limits.SECONDS


FILTERS: list[dict[str, Any]] = [
    {},
    {"compression": "gzip"},
    {"compression": "lzf"},
    {"shuffle": True},
    {"shuffle": True, "compression": "lzf"},
    {"shuffle": True, "compression": "gzip", "fletcher32": True},
]


@pytest.mark.parametrize("filters", FILTERS, ids=lambda filters: "+".join(map(str, filters)) or "plain")
def test_whatever_way_h5py_packs_images_they_are_read(tmp_path: Path, filters: dict[str, Any]) -> None:
    """Half of them cannot be packed, where lzf leaves chunks as they are; the last chunk has rows that do not count."""
    data = np.zeros((23, 3, 12, 10), np.uint16)
    data[:12] = np.random.default_rng(0).integers(0, 256, (12, 3, 12, 10))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=data, chunks=(4, 3, 12, 10), **filters)
        file["label"] = np.arange(23)
    split = H5Split(tmp_path / "a.h5", Scaling(1.0), "data.clean_test")
    assert np.array_equal(split.pixels(0, 23), data.transpose(0, 2, 3, 1))


def test_a_pointer_of_git_lfs_is_called_one(tmp_path: Path) -> None:
    pointer = tmp_path / "net.h5"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    said = "got a pointer of Git LFS to it: run git lfs pull where the file comes from"
    with pytest.raises(ModelError, match=f"expected a network at .*net.h5, {said}"):
        load_model(pointer)
    with pytest.raises(DataError, match=f"expected the hat images at .*net.h5, {said}"):
        H5Split(pointer, Scaling(), "hat")
