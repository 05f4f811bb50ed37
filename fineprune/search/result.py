"""What a search found: a table, `tune.csv`, the best settings as a preset, and the command that runs them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from hydra.core.hydra_config import HydraConfig
from optuna import Study
from optuna.trial import FrozenTrial, TrialState
from rich import box
from rich.table import Table

from fineprune import names
from fineprune.config.choices import command
from fineprune.config.grids import duration
from fineprune.config.overrides import quoted
from fineprune.errors import ConfigError
from fineprune.files import csv, write_text
from fineprune.search.objectives import ABOUT
from fineprune.search.run import FIGURES, Search
from fineprune.search.space import TUNED
from fineprune.search.trials import ENDED, place
from fineprune.sweeping import budgets

SHOWN = 5  # trials that the table has
OWN = ("tune", "grid", "quiet")  # settings of a search that its best sweep does not take
PLAIN = re.compile(r"(?!(null|true|false|nan|inf)$)[A-Za-z_]\w*")  # texts that Hydra reads as such


class Found:
    """The trials that ended, of a search that has.

    Raises ConfigError where none of them has a value, TrackingError where the storage cannot be reached.
    """

    def __init__(self, search: Search, study: Study) -> None:
        self.search = search
        with search.asked.storage.translated_errors():
            self.trials = study.get_trials(deepcopy=False, states=ENDED)
            first = next((trial.number for trial in self.trials if place(study, trial.number) == 0), None)
        self.ranked = sorted(
            (trial for trial in self.trials if trial.state is TrialState.COMPLETE),
            key=lambda trial: (-float(trial.value or 0), trial.number),
        )
        if not self.ranked:
            raise ConfigError(
                f"expected a trial that ends well, got {len(self.trials)} that do not, the last: "
                f"{self.trials[-1].user_attrs['reason']}; set narrower ranges in tune.space"
            )
        self.first = next((trial for trial in self.ranked if trial.number == first), None)

    @property
    def best(self) -> FrozenTrial:
        return self.ranked[0]

    @property
    def frame(self) -> pd.DataFrame:
        """A row a trial, in their order: the columns of `tune.csv`."""
        return pd.DataFrame([_row(trial) for trial in self.trials])

    def table(self) -> Table:
        """The best trials, as many as are shown, on 80 columns."""
        asked = self.search.asked
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("trial", justify="right", no_wrap=True)
        table.add_column("value", justify="right", no_wrap=True)
        for key in asked.space.dimensions:
            table.add_column(key.partition(".")[2], justify="right", overflow="fold")
        for trial in self.ranked[:SHOWN]:
            values = (trial.params.get(key) for key in asked.space.dimensions)
            table.add_row(str(trial.number), f"{trial.value:.4f}", *map(_shown, values))
        return table

    def sentences(self) -> list[str]:
        """What values are, the best trial beside the defaults, how values go with ASR, and the command for the best."""
        asked = self.search.asked
        values = f"values, {asked.judged_by} at {budgets.text(asked.point)}: {ABOUT[asked.objective]}"
        beside = f"; with the defaults {self.first.value:.4f}" if self.first else ""
        lines = [values, f"best of {len(self.trials)}: trial {self.best.number}, {self.best.value:.4f}{beside}"]
        if asked.oracle:
            lines.append("chosen by an oracle, which sees poisoned images as no defender does: an upper bound")
        elif found := [f"{rate.upper()} {value:+.2f}" for rate, value in self.correlations().items()]:
            lines.append(f"Spearman's correlation of values over {len(self.ranked)} trials: {', '.join(found)}")
        return [*lines, f"run it: {self.command()}"]

    def correlations(self) -> dict[str, float]:
        """Spearman's rank correlation of the values with ASR and with DER, which chose nothing, where these are known.

        They say how well the objective did on this network: for who has poisoned images after all.
        """
        table = pd.DataFrame([{"value": trial.value, **trial.user_attrs[FIGURES]} for trial in self.ranked])
        differ = {rate for rate in table if table[rate].notna().all() and table[rate].nunique() > 1}
        known = [rate for rate in (names.ASR, names.DER) if {"value", rate} <= differ and len(table) > 2]
        return {rate: float(table["value"].corr(table[rate], method="spearman")) for rate in known}

    def command(self) -> str:
        """The sweep with the best settings, as a user enters it."""
        sources = HydraConfig.get().runtime.config_sources
        folders = [source.path for source in sources if source.provider == "command-line"]
        own = [text for text in HydraConfig.get().overrides.task if text.partition(".")[0].partition("=")[0] not in OWN]
        chosen = [f"{group}={choice}" for group, choice in self._chosen().items()]
        entered = {text.partition("=")[0] for text in own}
        return command(
            "sweep",
            *(f"--config-dir={folder}" for folder in folders),
            *(text for text in chosen if text.partition("=")[0] not in entered),
            *(text for text in own if text.partition("=")[0] not in self.best.params),
            *(f"{key}={_written(value)}" for key, value in self.best.params.items()),
        )

    def preset(self) -> str:
        """The best settings as a file of `conf/experiment`."""
        nested: dict[str, Any] = {}
        for key, value in self.best.params.items():
            group, _, rest = key.partition(".")
            nested.setdefault(group, {})[rest] = value
        chosen = [{f"override /{group}": choice} for group, choice in self._chosen().items()]
        said = f"The best of {len(self.trials)} trials of {self.search.name}, by {self.search.asked.judged_by}."
        text: str = yaml.safe_dump({"defaults": chosen, **nested}, sort_keys=False)
        return f"# @package _global_\n# {said}\n{text}"

    def write(self, folder: Path) -> None:
        """Write `tune.csv` and `experiment/best.yaml` to `folder`."""
        write_text(folder / "tune.csv", csv(self.frame))
        write_text(folder / "experiment" / "best.yaml", self.preset())

    def _chosen(self) -> dict[str, str]:
        """The strategy and the fine-tuning, whichever of them was tuned."""
        return {group: HydraConfig.get().runtime.choices[group] for group in TUNED}


def _row(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "value": trial.value,
        **trial.params,
        **trial.user_attrs.get(FIGURES, {}),
        "seconds": _seconds(trial),
        "reason": trial.user_attrs.get("reason"),
    }


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _written(value: Any) -> str:
    """A value as Hydra reads it."""
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) else quoted(value)
    return "null" if value is None else str(value).lower()


def line(trial: FrozenTrial) -> str:
    """A trial that has ended, as `trial 3: epsilon 0.31, alpha 0.2: 0.7134, 12 s`."""
    values = ", ".join(f"{key.partition('.')[2]} {_shown(value)}" for key, value in trial.params.items())
    ended = f"{trial.value:.4f}" if trial.value is not None else trial.user_attrs.get("reason", "begun too late")
    return f"trial {trial.number}: {values}: {ended}, {_seconds(trial):.0f} s"


def progress(study: Study, trials: int) -> str:
    """As `11 of 30, best 0.7513, about 6 min left`, from how long all trials took and how many run at a time."""
    all_trials = study.get_trials(deepcopy=False)
    ended = [trial for trial in all_trials if trial.state in ENDED]
    if not ended:
        return f"0 of {trials}"
    running = sum(trial.state is TrialState.RUNNING for trial in all_trials) + 1  # this process begins the next
    values = [float(trial.value) for trial in ended if trial.value is not None]
    best = f", best {max(values):.4f}" if values else ""
    left = sum(map(_seconds, ended)) / len(ended) * max(trials - len(ended), 0) / running
    return f"{len(ended)} of {trials}{best}, about {duration(left)} left"


def _seconds(trial: FrozenTrial) -> float:
    return trial.duration.total_seconds() if trial.duration else 0.0
