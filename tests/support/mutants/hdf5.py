"""Valid HDF5 files with attributes, data sets and links changed in them."""

import contextlib
import random
from collections.abc import Callable
from io import BytesIO
from typing import Any

import h5py
import numpy as np


def changed(content: bytes, architecture: Callable[[str], str], draw: random.Random) -> bytes:
    """`content` with something else in it; `architecture` changes that of a network, if it has one."""
    file = BytesIO(content)
    with h5py.File(file, "r+") as opened, contextlib.suppress(Exception):  # what h5py won't write stays as it was
        change = draw.choice([_change_architecture, _change_attribute, _change_dataset, _move])
        change(opened, draw, architecture)
    return file.getvalue()


def _change_architecture(file: h5py.File, _: random.Random, architecture: Callable[[str], str]) -> None:
    file.attrs["model_config"] = architecture(file.attrs["model_config"])


def _objects(file: h5py.File) -> list[Any]:
    items: list[Any] = [file]
    file.visititems(lambda _, item: items.append(item))
    return items


def _change_attribute(file: h5py.File, draw: random.Random, _: object) -> None:
    holder = draw.choice([item for item in _objects(file) if len(item.attrs)] or [file])
    name = draw.choice(list(holder.attrs) or ["weight_names"])
    values = [b"", b"x", b"kernel:0", "x" * 70_000, 7, [1.5], [b"a", b"b"], h5py.Empty("S1"), np.zeros((2, 2))]
    holder.attrs[name] = draw.choice([draw.choice(values), holder.attrs[name][:-1]])


def _change_dataset(file: h5py.File, draw: random.Random, _: object) -> None:
    stored = draw.choice([item for item in _objects(file) if isinstance(item, h5py.Dataset)])
    holder, name, old = stored.parent, stored.name, stored[()]
    del file[name]
    shape = list(old.shape)
    if shape:
        shape[draw.randrange(len(shape))] = draw.choice([0, 1, 3, 10**3, 10**9])
    dtypes = ["i1", "u8", "f2", "f8", ">f4", "c8", "S3", "?", h5py.string_dtype(), h5py.enum_dtype({"a": 1})]
    changes: list[Callable[[], object]] = [
        lambda: holder.create_dataset(name, shape, old.dtype, chunks=True),
        lambda: holder.create_dataset(name, old.shape, draw.choice(dtypes)),
        lambda: holder.create_dataset(name, data=old.astype(draw.choice(["f2", "f8", "i4", ">f8"]))),
        lambda: holder.create_dataset(name, data=np.full_like(old, draw.choice([np.nan, 1e30, -1, 200]))),
        lambda: holder.create_dataset(name, data=old.reshape(-1)),
    ]
    draw.choice(changes)()


def _move(file: h5py.File, draw: random.Random, _: object) -> None:
    items = [item.name for item in _objects(file)[1:]]
    one, other = draw.choice(items), draw.choice(items)
    del file[one]
    file[one] = draw.choice(
        [h5py.SoftLink(other), h5py.ExternalLink("other.h5", other), h5py.SoftLink(one), file[other]]
    )
