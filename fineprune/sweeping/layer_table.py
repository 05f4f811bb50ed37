"""What each network consists of: parameters, zeros, and size when compressed."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tf_keras as keras
from numpy.typing import NDArray

from fineprune.files import save_model


def layers(nets: Mapping[str, keras.Model]) -> pd.DataFrame:
    """A row for each layer with weights of each net, or with a factor for each channel, and a row `all` for the net.

    Columns `net, layer, parameters, zero, share_zero, kernel_share_zero, gzip_bytes`. `kernel_share_zero` is that
    of kernels alone, NaN where there are none, or of factors, which are no parameters, so that their `share_zero`
    is NaN: a layer of these silences channels where weights cannot, as behind an addition. `gzip_bytes` is the
    compressed size of the net's HDF5 file, in the row `all` only.
    """
    return pd.concat([_layers_of(name, net) for name, net in nets.items()], ignore_index=True)


def _layers_of(name: str, net: keras.Model) -> pd.DataFrame:
    rows = []
    for layer in net.layers:
        weights, factors = layer.get_weights(), _factors(layer)
        if weights or factors.size:
            rows.append(
                {
                    "net": name,
                    "layer": layer.name,
                    "parameters": sum(array.size for array in weights),
                    "zero": sum(int(np.count_nonzero(array == 0)) for array in weights),
                    "kernel_share_zero": float(np.mean(factors == 0)) if factors.size else _share_zero([layer]),
                }
            )
    table = pd.DataFrame(rows)
    total = {
        "net": name,
        "layer": "all",
        "gzip_bytes": _compressed(net),
        "kernel_share_zero": _share_zero(net.layers),
    }
    total |= {column: int(table[column].sum()) for column in ("parameters", "zero")}
    table = pd.concat([table, pd.DataFrame([total])], ignore_index=True)
    table["share_zero"] = table["zero"] / table["parameters"]
    order = ["net", "layer", "parameters", "zero", "share_zero", "kernel_share_zero", "gzip_bytes"]
    return table.astype({"gzip_bytes": "Int64"})[order]


def _factors(layer: keras.layers.Layer) -> NDArray[Any]:
    """What `layer` multiplies each channel by, (channels,); empty where it is no such layer."""
    return np.array(layer.scale if isinstance(layer, keras.layers.Rescaling) and np.ndim(layer.scale) else [])


def _share_zero(layers: Sequence[keras.layers.Layer]) -> float:
    """The share of zeros in the kernels of `layers`, both of them in a separable convolution; NaN without any."""
    weights = [weight for layer in layers for weight in layer.weights]
    kernels = [weight.numpy().ravel() for weight in weights if "kernel" in weight.name.rsplit("/", 1)[-1]]
    return float(np.mean(np.concatenate(kernels) == 0)) if kernels else nan


def _compressed(net: keras.Model) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.h5"
        save_model(net, path)
        return len(gzip.compress(path.read_bytes(), mtime=0))
