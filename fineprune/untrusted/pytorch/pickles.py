"""The pickle in a file of PyTorch, read without running it.

A pickle is a program that may call any function of Python's by name. `torch.load` runs it, within limits that have been
got around again and again, and is not here: PyTorch is no dependency. This unpickler knows the few names that tensors
are made of, none of which does more than to build a description. What else a file names, such as the data sets that
BackdoorBench keeps beside a network, becomes a placeholder: it is called, made and set up by doing nothing.

Nothing that it makes can be changed into something else: what is found by name has no attributes to set.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, NamedTuple, NoReturn

DTYPES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "u1",
}


class _Sealed(type):
    """Of classes that no pickle can set attributes of."""

    def __setattr__(cls, name: str, value: object) -> NoReturn:
        raise pickle.UnpicklingError(f"attribute {name} of a class is set")


class Placeholder(metaclass=_Sealed):
    """Stands for anything unknown: `name` is what the file calls its class. Whatever is done to it does nothing."""

    __slots__ = ()
    name = ""

    def __new__(cls, *_: object, **__: object) -> Placeholder:
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...

    def __call__(self, *_: object, **__: object) -> Placeholder:
        return self

    def __setitem__(self, _: object, __: object) -> None: ...

    def append(self, _: object) -> None: ...

    def extend(self, _: object) -> None: ...

    def add(self, _: object) -> None: ...


class Storage(NamedTuple):
    """A row of so many `numbers`, which the file keeps under `key`; `dtype` is empty where it is of an unknown kind."""

    key: str
    dtype: str
    numbers: int


class Tensor(NamedTuple):
    """What a storage is seen as: all of this is as the file says it, and may be wrong."""

    storage: Any
    offset: Any
    shape: Any
    strides: Any


@dataclass(frozen=True, slots=True)
class Function:
    """What a pickle may call."""

    make: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        return self.make(*arguments)

    def __setstate__(self, _: object) -> NoReturn:
        raise pickle.UnpicklingError("a function is set up anew")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    return Tensor(storage, offset, shape, strides)


def _parameter(tensor: Any, *_: Any) -> Any:
    return tensor


def _tuple(values: Any = ()) -> Any:
    return values


KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): Function(OrderedDict),
    ("torch._utils", "_rebuild_tensor"): Function(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): Function(_tensor),
    ("torch._utils", "_rebuild_parameter"): Function(_parameter),
    ("torch", "Size"): Function(_tuple),
}


class Unpickler(pickle.Unpickler):
    """Makes dictionaries, lists, texts, numbers and descriptions of tensors, and of all else placeholders.

    `storages` are all that were referred to, by key.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="latin-1")  # as Python 2 wrote them
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        return _Sealed("Unknown", (Placeholder,), {"__slots__": (), "name": f"{module}.{name}"[:100]})

    def persistent_load(self, given: Any) -> Storage:
        match given:
            case ("storage", dtype, str(key), _, int(count), *rest) if rest in ([], [None]):
                self.storages[key] = Storage(key, dtype if isinstance(dtype, str) else "", count)
                return self.storages[key]
        raise pickle.UnpicklingError("a reference to something else than a storage, or to a part of one")


def load(file: IO[bytes]) -> Any:
    """The object that the pickle at the place of `file` describes; raises almost any type over a damaged one."""
    return Unpickler(file).load()
