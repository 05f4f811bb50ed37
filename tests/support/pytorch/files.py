"""Files as `torch.save` writes them, made without PyTorch: its old format, and its archive."""

import pickle
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
SYSTEM = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
STORAGES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage", "u1": "BoolStorage"}
STORAGES |= {"u2": "BFloat16Storage"}  # which NumPy lacks: here its bits


@dataclass(eq=False)
class Stored:
    """Numbers under a key; `declared` is how many the pickle says that there are, `kind` what kind of storage."""

    values: NDArray[Any]
    declared: int | None = None
    kind: str | None = None


@dataclass(eq=False)
class Viewed:
    """A tensor: what is seen of a storage; strides are in numbers."""

    storage: Stored
    shape: tuple[Any, ...]
    strides: tuple[Any, ...]
    offset: Any = 0
    parameter: bool = False


def viewed(values: NDArray[Any], parameter: bool = False) -> Viewed:
    """All of `values` as a tensor with a storage of its own."""
    values = np.array(values, order="C")
    strides = tuple(step // values.itemsize for step in values.strides)
    return Viewed(Stored(values.reshape(-1)), values.shape, strides, parameter=parameter)


def tensors(values: dict[str, NDArray[Any]]) -> "OrderedDict[str, Viewed]":
    return OrderedDict((name, viewed(each)) for name, each in values.items())


@contextmanager
def _torch() -> Iterator[ModuleType]:
    """A module `torch` with nothing but the names that its files refer to."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    for name in (*STORAGES.values(), "ComplexFloatStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    for name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
        function = FunctionType((lambda *_: None).__code__, {}, name)
        function.__module__, function.__qualname__ = "torch._utils", name
        setattr(utils, name, function)
    torch._utils = utils  # type: ignore[attr-defined]
    before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules |= {"torch": torch, "torch._utils": utils}
    try:
        yield torch
    finally:
        for name, module in before.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})


class _Pickler(pickle.Pickler):
    def __init__(self, file: Any, torch: ModuleType) -> None:
        super().__init__(file, protocol=2)
        self.torch, self.stored = torch, list[Stored]()

    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, Stored):
            return None
        if value not in self.stored:
            self.stored.append(value)
        kind = getattr(self.torch, value.kind or STORAGES[value.values.dtype.str[1:]])
        count = len(value.values) if value.declared is None else value.declared
        return "storage", kind, str(self.stored.index(value)), "cpu", count

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, Viewed):
            return NotImplemented
        parts = (value.storage, value.offset, value.shape, value.strides, False, OrderedDict[str, Any]())
        if not value.parameter:
            return self.torch._utils._rebuild_tensor_v2, parts
        plain = Viewed(value.storage, value.shape, value.strides, value.offset)
        return self.torch._utils._rebuild_parameter, (plain, False, OrderedDict[str, Any]())


def pickled(value: Any) -> tuple[bytes, list[Stored]]:
    """The pickle of `value`, and the storages that it refers to, by number."""
    with _torch() as torch:
        file = BytesIO()
        pickler = _Pickler(file, torch)
        pickler.dump(value)
        return file.getvalue(), pickler.stored


def write_zip(path: Path, value: Any, compression: int = zipfile.ZIP_STORED) -> Path:
    """As PyTorch writes it since 1.6."""
    text, stored = pickled(value)
    return write_archive(path, text, stored, compression)


def write_archive(path: Path, text: bytes, stored: list[Stored], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("net/data.pkl", text)
        archive.writestr("net/byteorder", "little")
        for number, each in enumerate(stored):
            archive.writestr(f"net/data/{number}", each.values.tobytes())
        archive.writestr("net/version", "3\n")
    return path


def write_legacy(path: Path, value: Any) -> Path:
    """As PyTorch wrote it before."""
    text, stored = pickled(value)
    return write_row(path, text, stored)


def write_row(path: Path, text: bytes, stored: list[Stored]) -> Path:
    keys = [str(number) for number in range(len(stored))]
    with path.open("wb") as file:
        for part in (MAGIC, PROTOCOL, SYSTEM):
            file.write(pickle.dumps(part, 2))
        file.write(text + pickle.dumps(keys, 2))
        for each in stored:
            file.write(len(each.values).to_bytes(8, "little") + each.values.tobytes())
    return path
