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

    A run whose files are damaged is named, and keeps no other from being logged: the exit status is 2 in the end.
    """
    from fineprune.config.instantiate import instantiate
    from fineprune.errors import ConfigError, DataError, plain
    from fineprune.report import records
    from fineprune.tracking import MlflowTracking, Tracking

    tracking = instantiate(settings.tracking, Tracking)
    if not isinstance(tracking, MlflowTracking):
        raise ConfigError("expected a tracking that keeps runs, got tracking=none: take tracking=mlflow")
    runs, logged, before, damaged = records.folders(Path(settings.folder)), 0, 0, 0
    for run in runs:
        try:
            if tracking.publish(run):
                logged += 1
            else:
                before += 1
        except DataError as reason:
            damaged += 1
            print(f"error: {plain(reason)}", file=sys.stderr)
    if logged or before:
        others = f"; the jobs of {before} had been done before by another run" if before else ""
        where = f"in MLflow at {tracking.uri}, experiment {tracking.experiment}"
        print(plain(f"{where}: {logged} of {len(runs)} runs{others}"))
    if damaged:
        sys.exit(2)


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(publish, "publish", positional="folder")


if __name__ == "__main__":
    main()
