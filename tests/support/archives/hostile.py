"""Archives of Keras's that attack who opens them, each made in a moment, and the beginning of what is to be said."""

import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import hostile
import numpy as np

Make = Callable[[Path], None]
ARCHIVES: dict[str, tuple[Make, str]] = {}
DAMAGE = "expected FILE to be readable, got damage: "
GOOD = hostile.chain(("Dense", {"units": 5, "use_bias": False}))


def archive(said: str) -> Callable[[Make], Make]:
    return lambda make: ARCHIVES.setdefault(make.__name__, (make, said))[0]


def weights(put: Callable[[h5py.Group], Any] = lambda _: None) -> bytes:
    """A file of weights in which `put` fills the group of the first dense layer."""
    file = BytesIO()
    with h5py.File(file, "w") as stored:
        put(stored.create_group("layers/dense/vars"))
    return file.getvalue()


def write(path: Path, config: Any = GOOD, stored: bytes = b"", packing: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", packing) as file:
        file.writestr("metadata.json", "{}")
        file.writestr("config.json", config if isinstance(config, str | bytes) else json.dumps(config))
        file.writestr("model.weights.h5", stored or weights())


def changed(path: Path, name: bytes, field: int, value: bytes) -> None:
    """Overwrite what the archive's own list says of the entry `name`, so many bytes into it."""
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\x01\x02", 0, content.rindex(name)) + field
    content[start : start + len(value)] = value
    path.write_bytes(content)


@archive("expected config.json in FILE to take at most 8,388,608 bytes, got 100,000,000: not loaded")
def config_that_unpacks_to_100_megabytes(path: Path) -> None:
    write(path, "[" * 100_000_000)


@archive("expected model.weights.h5 in FILE to take at most 8,589,934,592 bytes, got ")
def weights_of_terabytes(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", json.dumps(GOOD))
        with file.open("model.weights.h5", "w", force_zip64=True) as entry:
            entry.write(b"")
    content = path.read_bytes()
    # A size in 64 bits stands behind the names: the list's own entry is given one.
    start = content.rindex(b"PK\x01\x02")
    listed = bytearray(content[start : content.rindex(b"PK\x05\x06")])
    listed[24:28] = b"\xff" * 4
    extra = b"\x01\x00\x08\x00" + (10**13).to_bytes(8, "little")
    listed[30:32] = len(extra).to_bytes(2, "little")
    listed = listed[: 46 + len(b"model.weights.h5")] + extra
    end = bytearray(content[content.rindex(b"PK\x05\x06") :])
    end[12:16] = (int.from_bytes(end[12:16], "little") + len(extra)).to_bytes(4, "little")
    path.write_bytes(content[:start] + bytes(listed) + bytes(end))


@archive("expected a network at FILE, model.weights.h5 to be an HDF5 file, got one that cannot be opened: ")
def weights_that_unpack_to_a_gigabyte_of_nothing(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", json.dumps(GOOD))
        with file.open("model.weights.h5", "w") as entry:
            for _ in range(1000):
                entry.write(bytes(10**6))


@archive(DAMAGE)
def weights_that_unpack_to_more_than_is_declared(path: Path) -> None:
    write(path, stored=bytes(10**6))
    changed(path, b"model.weights.h5", 24, (1000).to_bytes(4, "little"))


@archive(DAMAGE)
def entry_that_is_encrypted(path: Path) -> None:
    write(path)
    changed(path, b"config.json", 8, b"\x01\x00")


@archive("expected config.json in FILE to be plain or deflated, got another compression")
def entries_packed_by_what_can_take_gigabytes_of_memory(path: Path) -> None:
    write(path, packing=zipfile.ZIP_LZMA)


@archive(DAMAGE)
def half_an_archive(path: Path) -> None:
    write(path)
    path.write_bytes(path.read_bytes()[:-300])


@archive("expected config.json in the archive FILE, as Keras writes it, got ")
def names_that_lead_out_of_the_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name in ("assets/../../MARKER", "/tmp/MARKER", "../MARKER", "config.json/../../MARKER"):  # noqa: S108
            file.writestr(name, "written")


@archive("expected the architecture in FILE to be JSON, got: ")
def config_that_is_a_link(path: Path) -> None:
    entry = zipfile.ZipInfo("config.json")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(entry, "/etc/passwd")
        file.writestr("model.weights.h5", weights())


@archive("expected only Keras's own layers that carry no code in FILE, got 'Lambda': not loaded")
def archive_with_a_lambda(path: Path) -> None:
    code = {"class_name": "__lambda__", "config": {"value": "4wEA"}}
    write(path, hostile.chain(("Lambda", {"function": code})))


@archive("expected only Keras's own layers that carry no code in FILE, got 'os': not loaded")
def layer_of_another_module(path: Path) -> None:
    config = json.loads(json.dumps(GOOD))
    config["config"]["layers"][1]["module"] = "os"
    write(path, config)


@archive("expected an architecture at most 64 levels deep in FILE, got more")
def deep_config_in_an_archive(path: Path) -> None:
    write(path, '{"config":' + "[" * 400 + "]" * 400 + "}")


@archive("expected at most 536,870,912 parameters in FILE, got ")
def archive_of_a_billion_units(path: Path) -> None:
    write(path, hostile.chain(("Dense", {"units": 10**9})))


@archive("expected 'vars/0' in FILE, model.weights.h5, /layers/dense, got 0: is it a file of another kind?")
def weights_that_link_to_another_file(path: Path) -> None:
    write(path, stored=weights(lambda group: group.__setitem__("0", h5py.ExternalLink("/etc/passwd", "/"))))


@archive("expected 'vars/0' in FILE, model.weights.h5, /layers/dense to store the 4,000,000,000,000 bytes that it")
def weights_that_are_declared_and_not_there(path: Path) -> None:
    shape = {"shape": (10**6, 10**6), "dtype": np.float32, "chunks": (1000, 1000)}
    write(path, stored=weights(lambda group: group.create_dataset("0", **shape)))


@archive("expected finite weights in FILE, model.weights.h5, got NaN or infinity in layer '/layers/dense'")
def archived_weights_that_are_no_numbers(path: Path) -> None:
    write(path, stored=weights(lambda group: group.__setitem__("0", np.full((3, 5), np.nan))))


@archive("expected 'layer_1' in FILE, /layers, got nothing: is it of a layer that two networks share")
def groups_that_hold_each_other(path: Path) -> None:
    def tie(group: h5py.Group) -> None:
        group.parent["layers"] = group.parent.parent

    write(path, stored=weights(tie))
