"""Has Atheris look for inputs that lead a reader to new code, as if it were the process that reads a stranger's file.

    PYTHONPATH=.:tests/support python -m mutants.fuzz KIND SECONDS

It needs `pip install atheris`. What ends in anything but plain numbers or one line stops it, and is written to a file.
"""

import resource
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # which only this needs

with atheris.instrument_imports(include=["fineprune.untrusted", "zipfile", "h5py", "PIL", "numpy.lib"]):
    from fineprune.untrusted import limits, reader, vetting
    from fineprune.untrusted.images.reading import Reading
from fineprune.errors import FinepruneError, plain
from fineprune.untrusted.saved.places import DATA
from mutants import counting, images, mutant

READERS = {
    **dict.fromkeys(("pytorch zip", "pytorch legacy", "safetensors"), "pytorch"),
    **dict.fromkeys(("old images", "new images"), "images"),
    "npz images": "npz",
    "folder of images": "folder",
}
SEEDS = 60


def seeds(original: Path, folder: Path, files: list[Path]) -> None:
    """Write what to begin with: mutants or, of a folder, its files, each behind a byte that says which it is."""
    for number in range(SEEDS):
        path = folder / str(number)
        if files:
            place = number % len(files)
            path.write_bytes(bytes([place]) + (original / files[place]).read_bytes())
        else:
            mutant(original, number, path)


def reading(kind: str, original: Path, place: Path, files: list[Path]) -> Callable[[bytes], None]:
    """What has an input read as a file of that kind at `place`, as it is or as one of the `files` of a folder."""
    classes = tuple(f"class_{number}" for number in range(images.CLASSES)) if kind == "folder of images" else ()
    settings = [Reading(classes=classes)] if kind in images.ORIGINALS else []
    path = place / DATA if kind == "saved model" else place

    def read(content: bytes) -> None:
        if files and not content:
            return
        file = files[content[0] % len(files)] if files else Path()
        (place / file).write_bytes(content[1:] if files else content)
        try:
            with tempfile.TemporaryFile(buffering=0) as opened:
                reader.READERS[READERS.get(kind, kind)](str(path), "it", vetting.Handover(opened, str(path)), *settings)
        except FinepruneError as error:
            if not plain(error).startswith("expected "):
                raise RuntimeError(f"expected one line that says what was expected, got {error!r}") from error
        except MemoryError:  # which that process reports in one line
            pass
        if files:
            shutil.copy(original / file, place / file)

    return read


def main(kind: str, seconds: str) -> None:
    """Fuzz the reader of that kind for so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        original = counting.made(kind, Path(folder))
        files = sorted(file.relative_to(original) for file in original.rglob("*") if file.is_file())
        begin, place = Path(folder) / "seeds", original.with_stem("fuzzed")
        begin.mkdir()
        seeds(original, begin, files)
        (shutil.copytree if files else shutil.copy)(original, place)
        resource.setrlimit(resource.RLIMIT_DATA, (limits.MEMORY + 2**28,) * 2)  # and what Atheris takes itself
        options = [f"-max_total_time={seconds}", "-rss_limit_mb=0", "-timeout=30", "-max_len=60000"]
        atheris.Setup(
            [sys.argv[0], str(begin), *options, "-print_final_stats=1"], reading(kind, original, place, files)
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
