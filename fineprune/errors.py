"""The errors that a user can cause. Each message is one line: what was expected, what was received, what to do.

docs/errors.md lists them.
"""

from __future__ import annotations

from typing import Any


class FinepruneError(Exception):
    """Base of all errors that are the user's to mend; the runners print the message alone and exit with 2."""


class ConfigError(FinepruneError):
    """A setting has a value that cannot be meant."""


class DataError(FinepruneError):
    """A data file is missing, damaged, unsafe, or not in the expected layout."""


class ModelError(FinepruneError):
    """A network's file is missing, damaged, unsafe, or does not fit the data or another network."""


class NotApplicable(FinepruneError):
    """A strategy cannot work on this network."""


class TrackingError(FinepruneError):
    """The log of runs cannot be reached."""


def line(reason: Any) -> str:
    """What a stranger's file or a library says, as part of a message: on one line, short, nothing a terminal obeys."""
    text = " ".join(str(reason).split())
    printable = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return printable if len(printable) <= 300 else f"{printable[:300]}…"
