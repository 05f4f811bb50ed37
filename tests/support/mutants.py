"""Valid files with something changed in them: bytes, or what the bytes mean. The same number gives the same mutant.

Run as a program, it opens mutants one after the other, and prints what became of each.
"""

import contextlib
import json
import random
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

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
MEGABYTES = 300


def mutant(original: Path, number: int, path: Path) -> None:
    """Write the mutant of that number to `path`."""
    draw = random.Random(number)  # noqa: S311
    path.unlink(missing_ok=True)  # HDF5 may still lock the one before
    content = bytearray(original.read_bytes())
    if number % 4:
        for _ in range(draw.choice([1, 1, 2, 4, 16])):
            _change_bytes(content, draw)
        path.write_bytes(content)
        return
    path.write_bytes(content)
    with h5py.File(path, "r+") as file, contextlib.suppress(Exception):  # what h5py won't write stays as it was
        draw.choice([_change_json, _change_attribute, _change_dataset, _move])(file, draw)


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


def _change_json(file: h5py.File, draw: random.Random) -> None:
    config = json.loads(file.attrs["model_config"])
    places = list(_places(config))
    for _ in range(draw.choice([1, 1, 2])):
        holder, key = draw.choice(places)
        other, at = draw.choice(places)
        holder[key] = draw.choice([draw.choice(VALUES), other[at]])
    file.attrs["model_config"] = json.dumps(config)


def _places(config: Any) -> Any:
    inside = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for key, value in inside:
        yield config, key
        yield from _places(value)


def _objects(file: h5py.File) -> list[Any]:
    items: list[Any] = [file]
    file.visititems(lambda _, item: items.append(item))
    return items


def _change_attribute(file: h5py.File, draw: random.Random) -> None:
    holder = draw.choice([item for item in _objects(file) if len(item.attrs)] or [file])
    name = draw.choice(list(holder.attrs) or ["weight_names"])
    values = [b"", b"x", b"kernel:0", "x" * 70_000, 7, [1.5], [b"a", b"b"], h5py.Empty("S1"), np.zeros((2, 2))]
    holder.attrs[name] = draw.choice([draw.choice(values), holder.attrs[name][:-1]])


def _change_dataset(file: h5py.File, draw: random.Random) -> None:
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


def _move(file: h5py.File, draw: random.Random) -> None:
    items = [item.name for item in _objects(file)[1:]]
    one, other = draw.choice(items), draw.choice(items)
    del file[one]
    file[one] = draw.choice(
        [h5py.SoftLink(other), h5py.ExternalLink("other.h5", other), h5py.SoftLink(one), file[other]]
    )


def openers(vetted: bool) -> dict[str, Callable[[Path], Any]]:
    """How files are opened; unless `vetted`, without a process of their own, which is faster, and not what users do."""
    from fineprune.data.files import H5Split
    from fineprune.data.scaling import Scaling
    from fineprune.untrusted import network_files, reader, vetting

    def vet_here(kind: str, path: Path, error: type, what: str, *reading: Any) -> dict[str, list[vetting.VettedArray]]:
        file = vetting.Unnamed()
        handover = vetting.Handover(file.opened, str(path))
        reader.READERS[kind](str(path), what, handover, *reading)
        return vetting._received({"arrays": handover.places}, file, error)

    if not vetted:
        for module in ("fineprune.untrusted.network_files", "fineprune.data.files"):
            vars(sys.modules[module])["vet"] = vet_here
    return {
        "model": network_files.load_model,
        "images": lambda path: H5Split(path, Scaling(1.0), "clean_test").pixels(0, 3),
    }


def main(kind: str, vetted: str, original: str, path: str, first: str, last: str) -> None:
    """Open the mutants first to last; for each, print its number, then "opened", "refused", or what was wrong."""
    from fineprune.errors import FinepruneError

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    where = Path(path)
    opener = openers(vetted == "vetted")[kind]
    opener(Path(original))
    for number in range(int(first), int(last)):
        mutant(Path(original), number, where)
        print(number, end=" ", flush=True)
        signal.alarm(600)  # of a machine that others use too
        signal.setitimer(signal.ITIMER_VIRTUAL, 5)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            opener(where)
            end = "opened"
        except FinepruneError as error:
            plain = str(error).isprintable() and str(error).startswith("expected ")
            end = "refused" if plain else f"message {str(error)!r}"
        except Exception as error:
            end = f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
        taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        print(end if taken < MEGABYTES else f"{taken} megabytes", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
