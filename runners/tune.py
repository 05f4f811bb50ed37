"""Search for the hyper-parameters of a strategy or a fine-tuning, each trial a sweep; several processes may share it.

python -m runners.tune tune=anp attack=patch tune.trials=30
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from fineprune.config import command_line, grids
from fineprune.errors import ConfigError

from . import sweep

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from fineprune.config.setup import Experiment
    from fineprune.report.records import Record
    from fineprune.sweeping.run import Sweep


def tune(settings: DictConfig, folder: Path) -> None:
    """Check what is asked for, obtain the BadNet, search, and show the best trials."""
    from fineprune.config.start import load_tensorflow
    from fineprune.progress import hidden, stage
    from fineprune.search import asked

    if grids.Grid.current():
        raise ConfigError("expected one search, got -m: run one after the other, or the same one several times at once")
    wanted = asked.read(settings, grids.grid_name(settings))
    with hidden() if settings.quiet is True else nullcontext(), stage("loading TensorFlow"):
        load_tensorflow()

    from fineprune.report.terminal import console
    from fineprune.search import result, run

    search = run.prepare(wanted, settings)
    print(f"search {search.name}, judged by {wanted.judged_by}: {wanted.trials} trials", flush=True)

    def note(study: Study, trial: FrozenTrial) -> None:
        print(f"{result.line(trial)}; {result.progress(study, wanted.trials)}", flush=True)

    study = run.run(search, folder, measure, note)
    found = result.Found(search, study)
    found.write(folder)
    screen = console()
    if not settings.quiet:
        screen.print(found.table())
    for sentence in found.sentences():
        screen.print(sentence, soft_wrap=True)
    screen.print(f"all trials: {folder / 'tune.csv'}", soft_wrap=True)


def measure(
    settings: DictConfig,
    parts: Experiment,
    record: Record,
    folder: Path,
    tags: Callable[[Sweep], Mapping[str, str]],
) -> Sweep:
    """Plan the sweep, run it, and log it."""
    measured = sweep.measure(sweep.planned_by(settings, parts), settings, parts, record, folder, tags)
    command_line.publish(parts.tracking, folder)
    return measured


def main() -> None:
    """Run it with the settings of the command line."""
    command_line.run(tune, "tune", tensorflow=False)


if __name__ == "__main__":
    main()
