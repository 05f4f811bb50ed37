"""Put the finished sweep or comparison in a run folder into MLflow, as when the store could not be reached at its end.

python -m runners.publish outputs/sweep/2026-01-31_12-00-00.000000
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from fineprune.config import command_line


def publish(settings: DictConfig, folder: Path) -> None:
    """Read the folder, and log what is missing where the settings say: the folder may be a stranger's."""
    from fineprune.config.instantiate import instantiate
    from fineprune.errors import ConfigError, plain
    from fineprune.tracking import MlflowTracking, Tracking

    tracking = instantiate(settings.tracking, Tracking)
    if not isinstance(tracking, MlflowTracking):
        raise ConfigError("expected a tracking that keeps runs, got tracking=none: take tracking=mlflow")
    tracking.publish(Path(settings.folder))
    print(plain(f"in MLflow at {tracking.uri}, experiment {tracking.experiment}"))


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(publish, "publish", positional="folder")


if __name__ == "__main__":
    main()
