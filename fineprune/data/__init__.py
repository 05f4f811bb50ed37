"""Labelled images: how a split is read, and where the splits of a data set come from."""

from fineprune.data.sources import h5, npz, synthetic_faces
from fineprune.data.split import Data, Split

__all__ = ["Data", "Split", "h5", "npz", "synthetic_faces"]
