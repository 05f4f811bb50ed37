"""How `mlflow.pyfunc.load_model` reads a net that a sweep logged: safely, as any other network file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class LoadedNet:
    """A network as MLflow calls it."""

    def __init__(self, path: str) -> None:
        from fineprune.untrusted.network_files import load_model

        self._model = load_model(path)

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """The scores (n, classes) of `images`, (n, H, W, C), scaled as the network takes them."""
        scores: NDArray[np.float32] = self._model.predict(np.asarray(images), verbose=0)
        return scores


def _load_pyfunc(path: str) -> LoadedNet:
    return LoadedNet(path)
