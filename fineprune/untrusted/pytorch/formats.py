"""By what a file of PyTorch's is known, without opening it further."""

from __future__ import annotations

from pathlib import Path

ARCHIVE, PICKLE, SAFETENSORS = "archive", "pickle", "safetensors"


def format_of(path: str | Path) -> str | None:
    """Which of these the file `path` begins as; None where it is something else. Archives may be another's too."""
    with Path(path).open("rb") as file:
        head = file.read(9)
    if len(head) == 9 and head[6:] == b"\0\0{":  # behind the length of a header, which is JSON
        return SAFETENSORS
    if head.startswith(b"PK\x03\x04"):
        return ARCHIVE
    return PICKLE if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") else None
