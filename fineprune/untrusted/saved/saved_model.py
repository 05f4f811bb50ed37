"""The folder of a SavedModel in which Keras 2 described its network: read, and nothing of its graph.

For the process that reads a stranger's file alone.
"""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from fineprune.errors import ModelError
from fineprune.files import open_own
from fineprune.untrusted import limits
from fineprune.untrusted.accepted import CONTAINERS
from fineprune.untrusted.hdf5 import report_damage
from fineprune.untrusted.pytorch.reading import finite
from fineprune.untrusted.saved import bundle
from fineprune.untrusted.saved.network import hand_over_architecture
from fineprune.untrusted.saved.places import METADATA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fineprune.untrusted.vetting import Handover

INDEX = "variables/variables.index"
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
NODES, PATH, DESCRIPTION = 1, 3, 5  # fields of messages: the objects of a model, what each is called, and its JSON
MOST = 4 * limits.CONFIG_BYTES  # of the descriptions of a network and of each of its layers


def read(path: str, what: str, handover: Handover) -> None:
    """Hand over the architecture, and each variable by its name; `path` is that of the file of data in the folder.

    Raises ModelError where something cannot be read.
    """
    folder = Path(path).parents[1]
    if Path(path).parent.is_symlink():
        raise ModelError(
            f"expected a folder at {Path(path).parent}, got a link, which is not followed: copy the folder"
        )
    with report_damage(folder, ModelError):
        text = _architecture(_content(folder / METADATA), folder, what)
    hand_over_architecture(text, str(folder), handover)
    with report_damage(folder, ModelError), open_own(Path(path)) as data:
        for name, tensor in islice(bundle.tensors(_content(folder / INDEX)), limits.TENSORS):
            if name.endswith(SUFFIX) and not name.startswith(("keras_api/", "optimizer/")) and tensor.dtype:
                array = _array(data, tensor)
                values = finite(name, array.reshape(-1), str(folder))
                handover.add(f"/{name.removesuffix(SUFFIX)}", array.dtype, array.shape, values)


def _content(path: Path) -> bytes:
    with open_own(path) as file:
        content = file.read(MOST + 1)
    if len(content) > MOST:
        raise ModelError(f"expected {path} to take at most {MOST:,} bytes, got more: not loaded")
    return content


def _architecture(metadata: bytes, folder: Path, what: str) -> bytes:
    """What Keras says of the whole network, as `model.to_json()` would."""
    for number, node in bundle.fields(metadata):
        values = dict(bundle.fields(node)) if number == NODES and isinstance(node, bytes) else {}
        if values.get(PATH) == b"root" and isinstance(text := values.get(DESCRIPTION), bytes):
            match json.loads(text, object_hook=_as_list):
                case {"model_config": {"class_name": str(kind)} as network} if kind in CONTAINERS:
                    return json.dumps(network).encode()
    raise ModelError(
        f"expected {what} in {folder} that Keras describes layer by layer, got one of a class of its own: build it of "
        "Keras's layers, and save it by model.save('NAME.keras')"
    )


def _as_list(value: dict[str, Any]) -> Any:
    """A tuple, or the shape of a tensor, as Keras writes it there, as the list that JSON has."""
    return value["items"] if value.get("class_name") in ("__tuple__", "TensorShape") and "items" in value else value


def _array(data: IO[bytes], tensor: bundle.Tensor) -> NDArray[Any]:
    """The numbers of `tensor`; raises ValueError where they are not there."""
    if tensor.shard or not 0 <= tensor.size <= 8 * limits.PARAMETERS:
        raise ValueError(f"a tensor of {tensor.size:,} bytes in file {tensor.shard}")
    data.seek(tensor.offset)
    content = data.read(tensor.size)
    if len(content) < tensor.size:
        raise ValueError(f"a tensor of {tensor.size:,} bytes, of which {len(content):,} are there")
    return np.frombuffer(content, f"<{tensor.dtype}").reshape(tensor.shape)
