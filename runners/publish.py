"""Put the finished sweep in a run folder into MLflow, as when the store could not be reached at its end.

python -m runners.publish outputs/sweep/2026-01-31_12-00-00.000000
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune import cli


def publish(settings: DictConfig, folder: Path) -> None:
    """Read the folder, find where its sweep was to be logged, complete what is there."""
    from fineprune import records
    from fineprune.errors import ConfigError
    from fineprune.tracking import MlflowTracking

    told = records.read(Path(settings.folder)).params
    experiment, uri = (settings.tracking[key] or told.get(f"tracking.{key}") for key in ("experiment", "uri"))
    if not experiment or not uri:
        raise ConfigError("expected tracking.experiment and tracking.uri, got a run with tracking=none: set both")
    MlflowTracking(experiment, uri).publish(Path(settings.folder))
    print(f"in MLflow at {uri}, experiment {experiment}")


if __name__ == "__main__":
    cli.run(publish, "publish", positional="folder")
