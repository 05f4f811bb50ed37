"""Put finished sweeps and comparisons into MLflow, as when the store could not be reached at their end.

python -m runners.publish outputs/sweep/2026-01-31_12-00-00.000000
"""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import DictConfig

from fineprune.config import command_line


def publish(settings: DictConfig, folder: Path) -> None:
    """Log what is missing of each run in the folder, where the settings say: the folder may be a stranger's.

    A run whose files are damaged is named, and keeps no other from being logged.
    """
    from fineprune.config.instantiate import instantiate
    from fineprune.errors import ConfigError, DataError, plain
    from fineprune.report import records
    from fineprune.tracking import MlflowTracking, Tracking

    tracking = instantiate(settings.tracking, Tracking)
    if not isinstance(tracking, MlflowTracking):
        raise ConfigError("expected a tracking that keeps runs, got tracking=none: take tracking=mlflow")
    damaged, runs = list[DataError](), records.folders(Path(settings.folder))
    for run in runs:
        try:
            tracking.publish(run)
        except DataError as reason:
            damaged.append(reason)
    if count := len(runs) - len(damaged):
        print(plain(f"in MLflow at {tracking.uri}, experiment {tracking.experiment}: {count} of {len(runs)} runs"))
    for other in damaged[:-1]:
        print(f"error: {plain(other)}", file=sys.stderr)
    if damaged:
        raise damaged[-1]


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(publish, "publish", positional="folder")


if __name__ == "__main__":
    main()
