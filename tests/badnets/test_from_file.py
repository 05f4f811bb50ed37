"""A network from a file: read once in a process, and again once the file is another."""

from pathlib import Path

import numpy as np
import pytest
from nets import tiny

from fineprune.badnets.source import FromFile
from fineprune.errors import ModelError
from fineprune.files import save_model

IMAGE = (8, 8, 3)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    save_model(tiny(0), tmp_path / "net.h5")
    return tmp_path / "net.h5"


def test_jobs_of_a_grid_read_their_network_once(net: Path) -> None:
    assert FromFile(str(net)).examined(IMAGE) is FromFile(str(net)).examined(IMAGE)


def test_a_file_that_was_replaced_is_read_again(net: Path) -> None:
    before = FromFile(str(net)).examined(IMAGE)
    save_model(tiny(1), net)
    after = FromFile(str(net)).examined(IMAGE)
    assert not np.array_equal(before.model.get_weights()[0], after.model.get_weights()[0])
    np.testing.assert_array_equal(after.model.get_weights()[0], tiny(1).get_weights()[0])


def test_a_file_that_is_gone_is_missed(net: Path) -> None:
    FromFile(str(net)).examined(IMAGE)
    net.unlink()
    with pytest.raises(ModelError, match=r"expected a network at .*net.h5, got no such file"):
        FromFile(str(net)).examined(IMAGE)


def test_other_weights_make_another_network(net: Path, tmp_path: Path) -> None:
    save_model(tiny(1), tmp_path / "others.h5")
    own = FromFile(str(net)).examined(IMAGE)
    others = FromFile(str(net), str(tmp_path / "others.h5")).examined(IMAGE)
    assert not np.array_equal(own.model.get_weights()[0], others.model.get_weights()[0])
