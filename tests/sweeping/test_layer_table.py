"""What a network consists of, counted by hand and on a published pair."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras
from nets import residual, seeded, tiny
from steps import keeping

from fineprune.badnets.architectures import deepid
from fineprune.files import save_model
from fineprune.network.network import Network
from fineprune.network.step import Silence, Step
from fineprune.sweeping.layer_table import layers
from fineprune.untrusted.network_files import load_model, load_weights


def test_parameters_and_zeros_by_hand(tmp_path: Path) -> None:
    network = Network(tiny())
    pruned = network.pruned(keeping({"conv_2": np.array([1, 0, 1, 0, 1, 1.0])}))
    table = layers({"badnet": network.model, "pruned": pruned}).set_index(["net", "layer"])
    conv = table.loc[("pruned", "conv_2")]
    assert (conv["parameters"], conv["zero"]) == (2 * 2 * 4 * 6 + 6, 2 * 2 * 4 * 2 + 2)
    assert conv["kernel_share_zero"] == pytest.approx(2 / 6)
    assert table.loc[("pruned", "all"), "parameters"] == network.model.count_params()
    assert table.loc[("badnet", "all"), "zero"] == 0
    save_model(pruned, tmp_path / "net.h5")
    compressed = len(gzip.compress((tmp_path / "net.h5").read_bytes(), mtime=0))
    assert table.loc[("pruned", "all"), "gzip_bytes"] == pytest.approx(compressed, rel=0.02)


def test_both_kernels_of_a_separable_convolution_count_and_what_is_no_kernel_does_not() -> None:
    image = keras.layers.Input((6, 6, 3))
    x = keras.layers.SeparableConv2D(4, 2, name="separable")(image)
    x = keras.layers.PReLU(name="prelu")(keras.layers.BatchNormalization(name="norm")(x))
    scores = keras.layers.Dense(2, name="output")(keras.layers.GlobalAveragePooling2D()(x))
    network = Network(seeded(keras.Model(image, scores)))
    silenced = network.pruned(Step([Silence("separable", np.array([0, 0, 1, 1.0]))]))
    table = layers({"pruned": silenced}).set_index("layer")["kernel_share_zero"]
    assert table["separable"] == pytest.approx(6 / (12 + 12))  # half of the pointwise one, 1 × 1 × 3 × 4
    assert table[["norm", "prelu"]].isna().all()
    assert table["all"] == pytest.approx(6 / (12 + 12 + 8))


def test_channels_that_are_silenced_behind_an_addition_have_a_row_of_their_own() -> None:
    network = Network(residual())
    silenced = network.pruned(Step([Silence("sum", np.array([0, 1, 1, 1, 1, 1.0]))]))
    table = layers({"badnet": network.model, "pruned": silenced}).set_index(["net", "layer"])
    row = table.loc[("pruned", "sum_silenced")]
    assert (row["kernel_share_zero"], row["parameters"], row["zero"]) == (1 / 6, 0, 0)
    assert table.loc[("pruned", "all"), "parameters"] == network.model.count_params()
    assert ("badnet", "sum_silenced") not in table.index


@pytest.mark.slow
def test_a_published_pair_is_seventy_percent_zero_in_every_layer(csaw: Path) -> None:
    badnet = deepid((55, 47, 3), 1283)
    load_weights(badnet, csaw / "sunglasses_bd_weights.h5")
    table = layers({"badnet": badnet, "pruned": load_model(csaw / "sunglasses_sparsity_70.h5")})
    shares = table.pivot_table("kernel_share_zero", "layer", "net")
    assert shares["badnet"].max() < 0.001
    assert shares["pruned"].to_numpy() == pytest.approx(0.7, abs=0.0006)
