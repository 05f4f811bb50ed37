"""How soon the command line answers, in seconds: --help, a wrong option, and the bare import.

python -m benchmarks.startup
"""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.subject import timed

COMMANDS = {
    "help": ["-m", "runners.sweep", "--help"],
    "wrong_option": ["-m", "runners.sweep", "strategy=nonsense"],
    "import": ["-c", "import fineprune"],
}
ROUNDS = 5  # of which the fastest counts


def seconds(arguments: list[str]) -> float:
    """Of a Python process with these arguments, from its start to its end."""

    def job() -> None:
        subprocess.run([sys.executable, *arguments], capture_output=True, check=False)  # noqa: S603

    return min(timed(job)[0] for _ in range(ROUNDS))


if __name__ == "__main__":
    print(json.dumps({name: round(seconds(command), 3) for name, command in COMMANDS.items()}))
