"""What a file holds, changed: its bytes or, where these mean something that is known here, what they mean."""

import contextlib
import json
import random
import warnings
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any

from mutants import hdf5

VALUES: list[Any] = [
    None,
    -1,
    0,
    1,
    7,
    2**31,
    10**30,
    0.5,
    1e308,
    "",
    "x",
    "../x",
    "\x1b[31m\n",
    True,
    [],
    [None],
    {},
    [[1, 2]],
]


def changed(content: bytes, draw: random.Random) -> bytes:
    """`content` with something else in it."""
    if draw.random() < 0.5:
        for is_kind, change in KINDS:
            if is_kind(content):
                with contextlib.suppress(ValueError):  # of what is not what it begins as
                    return change(content, draw)
    new = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 4, 16])):
        _change_bytes(new, draw)
    return bytes(new)


def _change_bytes(content: bytearray, draw: random.Random) -> None:
    if not content:
        return
    # More often near the beginning, where the structure stands.
    start, size = int(len(content) * draw.random() ** 2), draw.choice([1, 2, 4, 8, 16, 64])
    other = draw.randrange(len(content))
    match draw.choice(["flip", "flip", "flip", "fill", "fill", "copy", "cut", "insert", "end"]):
        case "flip":
            content[start] ^= 1 << draw.randrange(8)
        case "fill":
            content[start : start + size] = draw.choice([b"\xff" * size, bytes(size), draw.randbytes(size)])
        case "copy":
            content[start : start + size] = content[other : other + size]
        case "cut":
            del content[start : start + size]
        case "insert":
            content[start:start] = content[other : other + size]
        case "end" if draw.random() < 0.3:
            del content[start:]


def _json(content: bytes, draw: random.Random) -> bytes:
    config = json.loads(content)
    places = list(_places(config))
    for _ in range(draw.choice([1, 1, 2])):
        holder, key = draw.choice(places)
        other, at = draw.choice(places)
        holder[key] = draw.choice([draw.choice(VALUES), other[at]])
    return json.dumps(config).encode()


def _places(config: Any) -> Any:
    inside = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for key, value in inside:
        yield config, key
        yield from _places(value)


def _hdf5(content: bytes, draw: random.Random) -> bytes:
    return hdf5.changed(content, lambda text: _json(text.encode(), draw).decode(), draw)


def _zip(content: bytes, draw: random.Random) -> bytes:
    """An entry changed, so that its checksum is right, or the list of entries."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
        packing = archive.infolist()[0].compress_type
    place, other = draw.randrange(len(entries)), draw.randrange(len(entries))
    name, inside = entries[place]
    match draw.choice(["entry", "entry", "entry", "entry", "gone", "name", "twice", "order", "packing"]):
        case "entry":
            entries[place] = name, changed(inside, draw)
        case "gone":
            del entries[place]
        case "name":
            entries[place] = draw.choice(["../x", "/x", name.upper(), f"{name}/", "x" * 60_000]), inside
        case "twice":
            entries.append((entries[other][0], changed(inside, draw)))
        case "order":
            draw.shuffle(entries)
        case "packing":
            packing = draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    file = BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", packing) as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        for name, inside in entries:
            archive.writestr(name, inside)
    return file.getvalue()


def _safetensors(content: bytes, draw: random.Random) -> bytes:
    """What its header says, behind the header's right length."""
    size = int.from_bytes(content[:8], "little")
    header = _json(content[8 : 8 + size], draw)
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


def _described(content: bytes, draw: random.Random) -> bytes:
    """What Keras says of one of the objects of a SavedModel."""
    from tf_keras.protobuf.saved_metadata_pb2 import SavedMetadata

    described = SavedMetadata()
    described.ParseFromString(content)
    node = draw.choice([described.nodes[0], draw.choice(described.nodes)])  # the first is the network
    node.metadata = _json(node.metadata.encode(), draw).decode()
    written: bytes = described.SerializeToString()
    return written


KINDS: list[tuple[Callable[[bytes], bool], Callable[[bytes, random.Random], bytes]]] = [
    (lambda content: content.startswith(b"\x89HDF"), _hdf5),
    (lambda content: content.startswith(b"PK\x03\x04"), _zip),
    (lambda content: content.startswith(b"{"), _json),
    (lambda content: content[8:9] == b"{", _safetensors),
    (lambda content: b"_tf_keras_network" in content[:100], _described),
]
