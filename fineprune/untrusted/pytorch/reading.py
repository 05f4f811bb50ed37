"""A state dict in a file of PyTorch's, or of safetensors: checked, and handed over tensor by tensor.

For the process that reads it alone.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fineprune.errors import ModelError, line
from fineprune.untrusted import limits
from fineprune.untrusted.formats import SAFETENSORS, format_of
from fineprune.untrusted.pytorch import containers
from fineprune.untrusted.pytorch.pickles import Placeholder, Storage, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fineprune.untrusted.vetting import Handover

# Where a checkpoint keeps the network's state dict beside other things: first come, first served.
PLACES = ("state_dict", "model_state_dict", "net_state_dict", "netC", "net", "model")
NAME = 200  # characters of a tensor's name
PART = 2**20  # values that are handed over at a time

Arrays = Callable[[], Iterator[tuple[str, "NDArray[Any]"]]]


def read(path: str, what: str, handover: Handover) -> None:
    """Hand over each tensor of the state dict by its name; raises ModelError where something is wrong.

    Half and bfloat16 precision become single, truth values 0 and 1.
    """
    with containers.report_damage(path):
        shapes, arrays = _safetensors(path) if format_of(path) == SAFETENSORS else _unpickled(path, what)
        _check_sizes(shapes, path)
        for name, array in arrays():
            dtype = np.dtype(np.float32) if array.dtype == np.float16 else array.dtype
            handover.add(name, dtype, array.shape, finite(name, np.ascontiguousarray(array).reshape(-1), path))


def _unpickled(path: str, what: str) -> tuple[dict[str, tuple[int, ...]], Arrays]:
    unpickled, stored = containers.unpack(path)
    tensors = _state_dict(unpickled, path, what)
    shapes = {name: _checked(name, tensor, path) for name, tensor in tensors.items()}

    def arrays() -> Iterator[tuple[str, NDArray[Any]]]:
        for name, tensor in tensors.items():
            yield name, _array(stored(tensor.storage), tensor)

    return shapes, arrays


def _state_dict(unpickled: Any, path: str, what: str) -> Mapping[str, Tensor]:
    """The dictionary of tensors: itself, the first that stands at one of PLACES or, where nothing does, the only one.

    Raises ModelError without one.
    """
    entries = dict(unpickled) if isinstance(unpickled, dict) else {}
    inside = [entries[place] for place in PLACES if place in entries]
    # Beside a network that cannot be read, what can be is another's, as an average of it, or its masks.
    elsewhere = [] if inside else list(filter(_is_state_dict, entries.values()))
    for found in (unpickled, *inside, *(elsewhere if len(elsewhere) == 1 else [])):
        if _is_state_dict(found):
            state: Mapping[str, Tensor] = found
            return state
    raise ModelError(
        f"expected {what} in {path} as tensors by name, by themselves or under one of {', '.join(PLACES)}, got "
        f"{_described(unpickled)}, which is not run: save a state dict by torch.save(net.state_dict(), 'NAME.pth')"
    )


def _is_state_dict(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(each, Tensor) for each in dict.values(value))


def _described(value: Any) -> str:
    """What a file holds instead, in a few words."""
    if isinstance(value, Placeholder):
        return f"'{line(value.name)}'"
    if isinstance(value, type) and issubclass(value, Placeholder):
        return f"'{line(value.name)}' itself"
    if isinstance(value, dict):
        first = [line(key)[:40] for key in list(dict.keys(value))[:9] if isinstance(key, str)]
        return f"a dictionary of {', '.join(first) or 'nothing'}"
    return f"a value of type {type(value).__name__}"


def _check_sizes(shapes: Mapping[str, tuple[int, ...]], path: str) -> None:
    """Raise ModelError where there are more tensors, or larger ones, than `limits` says, or names that are none."""
    for name in shapes:
        if not isinstance(name, str) or len(name) > NAME:
            raise ModelError(
                f"expected names of tensors of at most {NAME} characters in {path}, got {line(name)[:60]}: not loaded"
            )
    if len(shapes) > limits.INPUTS:
        raise ModelError(f"expected at most {limits.INPUTS:,} tensors in {path}, got {len(shapes):,}: not loaded")
    if (count := sum(map(math.prod, shapes.values()))) > limits.PARAMETERS:
        raise ModelError(f"expected at most {limits.PARAMETERS:,} parameters in {path}, got {count:,}: not loaded")


def _checked(name: str, tensor: Tensor, path: str) -> tuple[int, ...]:
    """The shape of `tensor`; raises ModelError unless all of it lies in its storage."""
    match tensor:
        case Tensor(Storage(_, dtype, count), int(offset), tuple(shape), tuple(strides)) if dtype:
            sizes = [offset, *shape, *strides]
            if len(shape) == len(strides) <= 8 and all(type(size) is int and 0 <= size < 2**60 for size in sizes):
                last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
                if 0 in shape or last < count:
                    return shape
    raise ModelError(
        f"expected tensor '{line(name)[:60]}' in {path} to lie within a storage of numbers, got offset, shape and "
        f"strides {line(reprlib.repr(tuple(tensor)[1:]))}: get another copy"
    )


def _array(content: NDArray[np.uint8], tensor: Tensor) -> NDArray[Any]:
    """What `tensor`, which was checked, is in its storage's `content`."""
    dtype = tensor.storage.dtype
    if dtype == "bfloat16":  # the upper half of a float in single precision
        numbers = (content.view("<u2").astype("<u4") << 16).view("<f4")
    else:
        numbers = content.view(f"<{dtype}")
    strides = [step * numbers.itemsize for step in tensor.strides]
    if 0 in tensor.shape:
        return np.empty(tensor.shape, numbers.dtype)
    return np.lib.stride_tricks.as_strided(numbers[tensor.offset :], tensor.shape, strides, writeable=False)


def _safetensors(path: str) -> tuple[dict[str, tuple[int, ...]], Arrays]:
    import ml_dtypes  # noqa: F401  makes bfloat16 known to NumPy
    import safetensors

    file: Any = safetensors.safe_open(path, framework="numpy")  # which has no types
    shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  no dictionary

    def arrays() -> Iterator[tuple[str, NDArray[Any]]]:
        for name in shapes:
            array = file.get_tensor(name)
            whole = array.dtype.kind in "uif"
            yield name, array if whole else array.astype(np.uint8 if array.dtype.kind == "b" else np.float32)

    return shapes, arrays


def finite(name: str, values: NDArray[Any], path: str) -> Iterator[NDArray[Any]]:
    """The values, part by part; raises ModelError where one is not finite in single precision."""
    for start in range(0, len(values), PART):
        part = values[start : start + PART]
        with np.errstate(over="ignore"):
            finite = np.isfinite(part.astype(np.float32, copy=False)).all()
        if not finite:
            raise ModelError(
                f"expected finite weights in {path}, got NaN or infinity in tensor '{line(name)[:60]}': train it "
                "again, or get another copy"
            )
        yield part
