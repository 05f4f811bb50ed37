"""Compare pruning defences against backdoored neural networks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__version__ = "0.1.0"

# Read once, by TensorFlow and MLflow, when they are first imported.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")


def compare(
    experiment: str = "fineprune",
    grid: str = "",
    filter: str = "",  # noqa: A002
    uri: str = "",
) -> pd.DataFrame:
    """The finished sweeps of an MLflow experiment as one tidy frame: a row for each method, run, point and trigger.

    Of one `grid` alone, or those that `filter`, in MLflow's language, lets through, where they are given. `uri` is the
    store; where it is empty, MLFLOW_TRACKING_URI is, or else `mlruns/mlflow.db`. `fineprune.comparison.COLUMNS` says
    what the columns hold; rates are fractions in [0, 1]. Raises FinepruneError where there is no such store or run.
    """
    from fineprune.comparison import tidy
    from fineprune.tracking import MlflowTracking

    uri = uri or os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlruns/mlflow.db")
    return tidy(MlflowTracking(experiment, uri).finished(grid, filter))
