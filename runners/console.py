"""The command `fineprune`: what `python -m runners.NAME` runs, as `fineprune NAME`.

It imports little, so that the list of commands, their help and the completion of a shell come at once.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from importlib import import_module

import fineprune
from fineprune.config import reference

COMMANDS = ("sweep", "compare", "study", "tune", "badnets", "train-badnet", "evaluate", "predict", "convert", "publish")
LIST = """\
usage: fineprune COMMAND [KEY=VALUE ...]

{commands}

fineprune COMMAND --help lists its settings.
For completion in bash: eval "$(fineprune -sc install=bash)"
"""


def main() -> None:
    """Run the command that the first argument names, with the others as its settings."""
    command, *arguments = sys.argv[1:] or ["--help"]
    if command in ("-h", "--help"):
        print(listing(), end="")
    elif command == "--version":
        print(fineprune.__version__)
    elif command == "-sc":
        _complete(arguments)
    elif _config(command) is None:
        print(f"error: {_unknown(command)}", file=sys.stderr)
        sys.exit(2)
    else:
        _run(command, arguments)


def listing() -> str:
    """The commands, a line each: how the file of their settings begins."""
    said = {name: re.split(r"[.:] ", reference.summary(str(_config(name))))[0] for name in COMMANDS}
    return LIST.format(commands="\n".join(f"  {name:14}{what}" for name, what in said.items()))


def _config(command: str) -> str | None:
    """The module and the settings of `command`, which may be written as those are."""
    return command.replace("-", "_") if command.replace("_", "-") in COMMANDS else None


def _unknown(command: str) -> str:
    close = difflib.get_close_matches(command, COMMANDS, 1)
    guess = f"did you mean fineprune {close[0]}?" if close else "fineprune --help lists them"
    return f"expected a command, one of {', '.join(COMMANDS)}, got {command!r}: {guess}"


def _run(command: str, arguments: list[str]) -> None:
    if {"-h", "--help"} & set(arguments):
        from fineprune.config import help as help_of

        print(help_of.text(str(_config(command)), arguments), end="")
        return
    sys.argv[1:] = arguments
    import_module(f"fineprune.runners.{_config(command)}").main()


def _complete(arguments: list[str]) -> None:
    """Print the script that a shell completes by, or, when that script asks, the words that may come next.

    Both are Hydra's, which knows nothing of commands: it is asked without.
    """
    _, _, line = os.environ.get("COMP_LINE", "").partition(" ")
    command, space, settings = line.lstrip().partition(" ")
    if arguments == ["query=bash"] and not space:
        print(" ".join(COMMANDS))
    elif arguments != ["query=bash"]:
        _run(COMMANDS[0], ["-sc", *arguments])
    elif _config(command):
        os.environ["COMP_LINE"] = f"fineprune {settings}"
        _run(command, ["-sc", *arguments])
