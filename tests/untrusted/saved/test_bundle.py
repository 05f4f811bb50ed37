"""TensorFlow's table of tensors, and messages of protobuf, whole and damaged: nothing but ValueError or IndexError."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from fineprune.untrusted.saved import bundle

pytestmark = pytest.mark.slow

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, np.ndarray], bytes, bytes]:
    """Arrays by name, many enough for several blocks, and the table and the data that TensorFlow makes of them."""
    random = np.random.default_rng(0)
    arrays = {f"layer_{number}": random.normal(size=(number % 5, 3)).astype(np.float32) for number in range(300)}
    path = tmp_path_factory.mktemp("bundle") / "variables"
    tf.train.Checkpoint(**{name: tf.Variable(array) for name, array in arrays.items()}).write(str(path))
    return arrays, Path(f"{path}.index").read_bytes(), Path(f"{path}.data-00000-of-00001").read_bytes()


def test_tensors_stand_where_the_table_says(written: tuple[dict[str, np.ndarray], bytes, bytes]) -> None:
    arrays, table, data = written
    found = {name.removesuffix(SUFFIX): tensor for name, tensor in bundle.tensors(table) if name.endswith(SUFFIX)}
    assert found.keys() == arrays.keys()
    for name, tensor in found.items():
        content = data[tensor.offset : tensor.offset + tensor.size]
        assert np.array_equal(np.frombuffer(content, f"<{tensor.dtype}").reshape(tensor.shape), arrays[name])


def test_a_damaged_table_ends_in_an_error_or_in_tensors(
    written: tuple[dict[str, np.ndarray], bytes, bytes],
) -> None:
    random = np.random.default_rng(0)
    for _ in range(2000):
        table = bytearray(written[1])
        for place in random.integers(0, len(table), random.integers(1, 4)):
            table[place] = random.integers(0, 256)
        with suppress(ValueError, IndexError):
            list(bundle.tensors(bytes(table)))


def test_names_of_tensors_are_short() -> None:
    """They take over what the one before begins with, so that a small table could hold large ones."""

    def entry(shared: int, own: bytes) -> bytes:
        return bytes([shared, len(own), 0]) + own

    block = entry(0, b"a" * 100) + entry(100, b"b") + (0).to_bytes(4, "little")
    assert [key for key, _ in bundle._entries(block + b"\0", 0, len(block))] == [b"a" * 100, b"a" * 100 + b"b"]
    long = bytes([0, 0x81, 0x08, 0]) + b"a" * 1025 + (0).to_bytes(4, "little")
    with pytest.raises(ValueError, match="a name of 1,025 bytes"):
        list(bundle._entries(long + b"\0", 0, len(long)))
