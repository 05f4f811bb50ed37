"""The errors that a user can cause. Each message is one line: what was expected, what was received, what to do.

docs/reference/errors.md lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any
from unicodedata import category

# In an address: the user and the password before the host, or a parameter. Bounded, since a hostile text may be long.
SECRET = re.compile(
    r"(?<=://)(?!/)\S{1,300}@|(?<=[?&])(\w{0,30}(?:password|passwd|pwd|secret|token))=[^&\s]+", re.IGNORECASE
)


class FinepruneError(Exception):
    """Base of all errors that are reported by their message alone. The runners then exit with `status`.

    That is 2 for what the user can put right.
    """

    status = 2


class ConfigError(FinepruneError):
    """A setting has a value that makes no sense."""


class DataError(FinepruneError):
    """A data file is missing, damaged, unsafe, or not in the expected layout."""


class ModelError(FinepruneError):
    """A network's file is missing, damaged, unsafe, or does not fit the data or another network."""


class NotApplicable(FinepruneError):
    """The network lacks what a strategy needs. That is a result, logged as such, not a mistake."""


class StrategyError(FinepruneError):
    """A strategy's own bug: a step that does not fit the network, or none at all."""

    status = 1


class TrackingError(FinepruneError):
    """The log of runs cannot be reached."""


class Doubt(UserWarning):
    """The results of a sweep may mean nothing. A single run prints it at once, a grid once for all its jobs."""


def plain(text: Any) -> str:
    """What a file, a server or a library says, for a terminal: on one line, with nothing that a terminal obeys."""
    return printable(without_secrets(" ".join(str(text).split())))


def printable(text: str) -> str:
    """`text`, line by line, with escapes for what a terminal obeys."""
    return "".join(
        char if char.isprintable() or char == "\n" or category(char) == "Zs" else ascii(char)[1:-1] for char in text
    )


def without_secrets(text: Any) -> str:
    """`text` with *** for the users and passwords of the addresses in it."""
    return SECRET.sub(lambda secret: f"{secret[1]}=***" if secret[1] else "***@", str(text))


def markdown(text: str) -> str:
    """`text` for a cell or a sentence in Markdown: shown as it is, neither HTML nor a link, a code or a column."""
    return re.sub(r"[\\`|]|(?<=\])\(", r"\\\g<0>", text).replace("&", "&amp;").replace("<", "&lt;")


def line(reason: Any) -> str:
    """The same as part of a message: short."""
    text = plain(str(reason)[:4000])
    return text if len(text) <= 300 else f"{text[:300]}…"


def some(names: Iterable[str], most: int = 20) -> str:
    """The first of `names`, as part of a message."""
    first = list(islice(names, most + 1))
    return ", ".join(first[:most]) + (", …" if len(first) > most else "") or "none"
