"""What TensorFlow writes beside a SavedModel, read without TensorFlow: messages of protobuf, and its table of tensors.

The table is LevelDB's: blocks of entries that leave out what their keys share with the one before, and an index of the
blocks, which the last 48 bytes lead to. For the process that reads a stranger's file alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = 0xDB4775248B80FB57.to_bytes(8, "little")
FOOTER = 48
NAME = 2**10  # bytes of the name of a tensor
VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
DTYPES = {1: "f4", 2: "f8", 3: "i4", 4: "u1", 6: "i1", 9: "i8", 19: "f2"}  # of those that weights have


@dataclass(frozen=True)
class Tensor:
    """Where a tensor stands in the file of data; `dtype` is None where it holds no numbers."""

    dtype: str | None
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int


def tensors(table: bytes) -> Iterator[tuple[str, Tensor]]:
    """The tensors that `table` lists, by name; raises ValueError or IndexError where it is damaged."""
    if table[-8:] != MAGIC:
        raise ValueError("a table of tensors that does not end as one")
    footer = table[-FOOTER:]
    _, at = _varint(footer, 0)
    _, at = _varint(footer, at)  # of a block that says nothing here
    offset, at = _varint(footer, at)
    size, _ = _varint(footer, at)
    for _, place in _entries(table, offset, size):
        offset, at = _varint(place, 0)
        for key, value in _entries(table, offset, _varint(place, at)[0]):
            if key:  # the first entry is about the table itself
                yield key.decode("utf-8", "replace"), _tensor(value)


def _entries(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    block = table[offset : offset + size]
    if table[offset + size] != 0:
        raise ValueError("a table of tensors that is compressed")
    end, at, key = size - 4 - 4 * int.from_bytes(block[-4:], "little"), 0, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        if len(key) > NAME:
            raise ValueError(f"a name of {len(key):,} bytes")
        yield key, block[at + own : at + own + length]
        at += own + length


def _tensor(message: bytes) -> Tensor:
    values = dict(fields(message))
    sizes = [dict(fields(_bytes(each))).get(1, 0) for number, each in fields(_bytes(values.get(2, b""))) if number == 2]
    dtype, shape = DTYPES.get(_int(values.get(1, 0))), tuple(map(_int, sizes))
    tensor = Tensor(dtype, shape, _int(values.get(3, 0)), _int(values.get(4, 0)), _int(values.get(5, 0)))
    if dtype and tensor.size != math.prod(shape) * int(dtype[1:]):
        raise ValueError(f"a tensor of {shape} in {tensor.size:,} bytes")
    return tensor


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message of protobuf, by number; raises ValueError or IndexError where it is damaged."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind, size = tag & 7, {EIGHT_BYTES: 8, FOUR_BYTES: 4}.get(tag & 7)
        if kind == VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == BYTES:
            size, at = _varint(message, at)
        if size is None or at + size > len(message):
            raise ValueError("a message that is none of protobuf")
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """The number at a place, seven bits a byte, and the place behind it."""
    value = 0
    for place in range(10):
        byte = content[at + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise ValueError("a number of more than 64 bits")


def _int(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("text in the place of a number")
    return value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number in the place of text")
    return value
