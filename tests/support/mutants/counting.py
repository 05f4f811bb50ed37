"""What becomes of many mutants, each opened in a process that a damaged file may take down."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PATHS = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
BATCH = 2000
WELL = {"opened", "refused"}
CAUGHT = "caught by vetting"


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    """What `python -m mutants` does with these arguments, in a process of its own."""
    command = [sys.executable, "-m", "mutants", *map(str, arguments)]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": PATHS}, capture_output=True, text=True, check=False)


def made(kind: str, folder: Path) -> Path:
    """A valid file of that kind in `folder`."""
    done = program("make", kind.removeprefix("swept "), folder)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Path(done.stdout.strip())


def _opened(kind: str, how: str, original: Path, first: int, last: int) -> list[tuple[int, str]]:
    """What became of the mutants first to last, up to the one that took its process down, if one did."""
    mutant = original.with_stem("mutant")
    done = program("open", kind, how, original, mutant, first, last)
    lines = [line.partition(" ") for line in done.stdout.splitlines()]
    if not lines:
        raise RuntimeError(done.stderr)
    return [(int(number), end or f"exit status {done.returncode}") for number, _, end in lines]


def ends(kind: str, original: Path, first: int, last: int) -> Iterator[tuple[int, str]]:
    """What became of each mutant. What comes to another end in a process that holds many is opened as users do it."""
    while first < last:
        batch = _opened(kind, "here", original, first, min(first + BATCH, last))
        for number, end in batch:
            if end in WELL:
                yield number, end
                continue
            _, again = _opened(kind, "vetted", original, number, number + 1)[0]
            yield number, f"{CAUGHT}: {end}" if again in WELL else f"{again}, {end}"
        first = batch[-1][0] + 1
