"""Put the finished sweep or comparison in a run folder into MLflow, as when the store could not be reached at its end.

python -m runners.publish outputs/sweep/2026-01-31_12-00-00.000000
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune.config import command_line


def publish(settings: DictConfig, folder: Path) -> None:
    """Read the folder, find where it was to be logged, log what is missing there."""
    from fineprune.errors import ConfigError, plain
    from fineprune.report import records
    from fineprune.tracking.mlflow import MlflowTracking

    params = records.read(Path(settings.folder)).params
    experiment, uri = (settings.tracking[key] or params.get(f"tracking.{key}") for key in ("experiment", "uri"))
    if not experiment or not uri:
        raise ConfigError("expected tracking.experiment and tracking.uri, got a run with tracking=none: set both")
    MlflowTracking(experiment, uri).publish(Path(settings.folder))
    print(plain(f"in MLflow at {uri}, experiment {experiment}"))


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(publish, "publish", positional="folder")


if __name__ == "__main__":
    main()
