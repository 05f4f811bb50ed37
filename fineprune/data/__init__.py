"""Labelled images: how a split is read, and where the splits of a data set come from."""

from fineprune.data.folders import image_folder
from fineprune.data.keras_sets import keras
from fineprune.data.sources import h5, npz, synthetic_faces
from fineprune.data.split import Data, Split

__all__ = ["Data", "Split", "h5", "image_folder", "keras", "npz", "synthetic_faces"]
