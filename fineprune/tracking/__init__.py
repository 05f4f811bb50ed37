"""Where runs are logged, and read back: the only package that knows MLflow."""

from fineprune.tracking.base import NoTracking, Tracking
from fineprune.tracking.mlflow import MlflowTracking

__all__ = ["MlflowTracking", "NoTracking", "Tracking"]
