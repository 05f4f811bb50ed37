"""What a network consists of, counted by hand and on a real pair."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from nets import tiny

from fineprune.anatomy import layers
from fineprune.architectures import deepid
from fineprune.model_files import load_model, load_weights, save_model
from fineprune.network import Network
from fineprune.strategy import Step


def test_parameters_and_zeros_by_hand(tmp_path: Path) -> None:
    network = Network(tiny())
    pruned = network.pruned(Step({"conv_2": np.array([1, 0, 1, 0, 1, 1.0])}))
    found = layers({"badnet": network.model, "pruned": pruned}).set_index(["net", "layer"])
    conv = found.loc[("pruned", "conv_2")]
    assert (conv["parameters"], conv["zero"]) == (2 * 2 * 4 * 6 + 6, 2 * 2 * 4 * 2 + 2)
    assert conv["kernel_share_zero"] == pytest.approx(2 / 6)
    assert found.loc[("pruned", "all"), "parameters"] == network.model.count_params()
    assert found.loc[("badnet", "all"), "zero"] == 0
    save_model(pruned, tmp_path / "net.h5")
    compressed = len(gzip.compress((tmp_path / "net.h5").read_bytes(), mtime=0))
    assert found.loc[("pruned", "all"), "gzip_bytes"] == pytest.approx(compressed, rel=0.02)


def test_a_published_pair_is_seventy_percent_zero_in_every_layer(csaw: Path) -> None:
    badnet = deepid((55, 47, 3), 1283)
    load_weights(badnet, csaw / "sunglasses_bd_weights.h5")
    found = layers({"badnet": badnet, "pruned": load_model(csaw / "sunglasses_sparsity_70.h5")})
    shares = found.pivot_table("kernel_share_zero", "layer", "net")
    assert shares["badnet"].max() < 0.001
    assert shares["pruned"].to_numpy() == pytest.approx(0.7, abs=0.0006)
