"""Makes originals, opens mutants one after the other and prints what became of each, or counts what became of many."""

import resource
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from mutants import counting, images, mutant

MEMORY = 2**32  # which a mutant can ask for where no other process reads it
MEGABYTES = 300
SECONDS = 5  # of computing
TO_SWEEP = 60


def of(kind: str) -> ModuleType:
    """The module that makes and opens files of that kind. That of networks alone imports TensorFlow."""
    if kind in images.ORIGINALS:
        return images
    import fineprune  # noqa: F401  TensorFlow says less after it
    from mutants import networks

    return networks


def make(kind: str, folder: str) -> None:
    """Make an original of that kind, and print where it is."""
    suffix, write = of(kind).ORIGINALS[kind]
    write(path := Path(folder) / f"original{suffix}")
    print(path)


def read_here() -> None:
    """Have files read without a process of their own, which is faster, and not what users do."""
    from fineprune.untrusted import reader, vetting

    def vet_here(kind: str, path: Path, error: type, what: str, *reading: Any) -> dict[str, list[vetting.VettedArray]]:
        file = vetting.Unnamed()
        handover = vetting.Handover(file.opened, str(path))
        try:
            reader.READERS[kind](str(path), what, handover, *reading)
        except MemoryError as reason:  # which that process reports in the same way
            raise error("expected less memory to do") from reason
        return vetting._received({"arrays": handover.places}, file, error)

    vet = vetting.vet
    for module in list(sys.modules.values()):
        if vars(module).get("vet") is vet:
            vars(module)["vet"] = vet_here


def open_all(kind: str, how: str, original: str, path: str, first: str, last: str) -> None:
    """Open the mutants first to last; for each, print its number, then "opened", "refused", or what was wrong."""
    from fineprune.errors import FinepruneError

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    opened = of(kind).opener(kind)
    opened(Path(original))
    if how == "here":
        read_here()
    for number in range(int(first), int(last)):
        mutant(Path(original), number, Path(path))
        print(number, end=" ", flush=True)
        signal.alarm(600)  # of a machine that others use too
        signal.setitimer(signal.ITIMER_VIRTUAL, TO_SWEEP if kind.startswith("swept ") else SECONDS)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            opened(Path(path))
            end = "opened"
        except FinepruneError as error:
            plain = str(error).isprintable() and str(error).startswith("expected ")
            end = "refused" if plain else f"message {str(error)!r}"
        except Exception as error:
            end = f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
        taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        print(end if taken < MEGABYTES else f"{taken} megabytes", flush=True)


def count(kind: str, first: str, last: str) -> None:
    """Print each of the mutants first to last that did not end well, and how many came to which end."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number, end in counting.ends(kind, counting.made(kind, Path(folder)), int(first), int(last)):
            counts[end.split(":")[0] if end.split(":")[0] in {*counting.WELL, counting.CAUGHT} else "ended badly"] += 1
            if end not in counting.WELL:
                print(f"{kind} {number}: {end}", flush=True)
    print(f"{kind}: {', '.join(f'{number:,} {end}' for end, number in counts.most_common())}", flush=True)


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    commands: dict[str, Callable[..., None]] = {"make": make, "open": open_all, "count": count}
    commands[what](*given)
