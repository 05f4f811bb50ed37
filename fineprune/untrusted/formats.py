"""By what the formats of networks are known, without opening a file further."""

from __future__ import annotations

import os
import re
from pathlib import Path

ARCHIVE, PICKLE, SAFETENSORS = "archive", "pickle", "safetensors"  # of PyTorch's
KERAS_ARCHIVE, JSON, SAVED_MODEL = "keras archive", "json", "saved model"
ZIP = b"PK\x03\x04"
PYTORCH = {ARCHIVE, PICKLE, SAFETENSORS}
KERAS_ENTRIES = (b"metadata.json", b"config.json", b"model.weights.", b"assets/")  # one of which comes first, or else
LISTED = re.compile(rb"PK\x01\x02.{42}([^/]{1,200}/)?config\.json(?!/)", re.DOTALL)  # stands in the list at the end,
LIST = 2**16  # of which so many bytes are looked at
# What others call their files. Most begin as anything may, so that names have to do.
UNSUPPORTED = {
    ".tflite": "TensorFlow Lite",
    ".onnx": "ONNX",
    ".caffemodel": "Caffe",
    ".prototxt": "Caffe",
    ".mlmodel": "Core ML",
}


def format_of(path: str | Path) -> str | None:
    """Which of these the file `path` begins as, or the folder is; None where it is something else."""
    if Path(path).is_dir():
        return SAVED_MODEL if (Path(path) / "saved_model.pb").exists() else None
    if not Path(path).is_file():
        return None
    with Path(path).open("rb") as file:
        head = file.read(64)
        file.seek(max(0, os.fstat(file.fileno()).st_size - LIST))
        tail = file.read(LIST) if head.startswith(ZIP) else b""
    if len(head) > 8 and head[6:9] == b"\0\0{":  # behind the length of a header, which is JSON
        return SAFETENSORS
    if head.startswith(ZIP):  # the first entry's name is at 30
        return KERAS_ARCHIVE if head[30:].startswith(KERAS_ENTRIES) or LISTED.search(tail) else ARCHIVE
    if head.lstrip().startswith(b"{"):
        return JSON
    return PICKLE if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") else None
