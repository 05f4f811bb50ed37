"""Finished sweeps, read back from MLflow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fineprune.data.split import CLEAN_TEST
from fineprune.errors import ConfigError, FinepruneError, line, plain
from fineprune.names import ACCURACY, AMOUNT, ASR, COMPARISON, FRACTION_PRUNED, GOODNET, PRUNED, Rate

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run as LoggedRun


@dataclass(frozen=True)
class FinishedSweep:
    """One finished sweep.

    `steps` has a row for each step, from the untouched BadNet on: `fraction_pruned`, the column named `amount`, NaN for
    the untouched BadNet where that is another, accuracy, ASR of B′ and GoodNet. `digests` are those of its images, by
    split.
    """

    id: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    steps: pd.DataFrame
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def amount(self) -> str:
        """The column of `steps` that says how far each goes; runs that do not name theirs go by the share pruned."""
        return self.tags.get(AMOUNT, FRACTION_PRUNED)


def query(grid: str, filter_string: str) -> str:
    """The condition for finished runs, of one grid and that match `filter_string`, in MLflow's language, if given."""
    if not re.fullmatch(r"[\w.:+-]*", grid):
        raise ConfigError(f"expected grid to be letters, digits and . : + - _, got {grid!r}: take the tag of the runs")
    parts = ["attributes.status = 'FINISHED'", f"tags.grid = '{grid}'" if grid else "", filter_string.strip()]
    return " AND ".join(part for part in parts if part)


def finished(uri: str, experiment: str, grid: str, filter_string: str) -> list[FinishedSweep]:
    """The finished sweeps of an experiment in the store at `uri`, the latest first.

    Only those of `grid` and those that match `filter_string`, in MLflow's language, where they are given.
    """
    from mlflow import MlflowClient

    condition = query(grid, filter_string)
    client = MlflowClient(uri)
    runs = list(_search(client, _identifier(client, experiment), condition))
    sweeps = [FinishedSweep(run.info.run_id, **_printable(run), steps=_steps(client, run)) for run in runs]
    if not sweeps:
        raise FinepruneError(
            f"expected finished sweeps in the experiment '{experiment}' where {condition}, got none: run a sweep "
            "first, or choose another tracking.experiment, grid or filter"
        )
    return sweeps


def _identifier(client: MlflowClient, experiment: str) -> str:
    identifiers = {each.name: each.experiment_id for each in client.search_experiments()}
    if experiment not in identifiers:
        names = ", ".join(sorted(identifiers))
        raise ConfigError(f"expected tracking.experiment to be one of {names}, got '{experiment}': set one of those")
    return str(identifiers[experiment])


def _printable(run: LoggedRun) -> dict[str, Any]:
    """What the server returns of a run, safe to print on a terminal."""
    tags, params = (
        {plain(key): plain(text) for key, text in part.items()} for part in (run.data.tags, run.data.params)
    )
    metrics = {plain(name): value for name, value in run.data.metrics.items()}
    datasets = [given.dataset for given in run.inputs.dataset_inputs] if run.inputs else []
    digests = {plain(dataset.name): plain(dataset.digest) for dataset in datasets}
    return {"tags": tags, "params": params, "metrics": metrics, "digests": digests}


def _search(client: MlflowClient, experiment: str, condition: str) -> Iterator[LoggedRun]:
    from mlflow.exceptions import MlflowException

    token = None
    while token != "":
        try:
            page = client.search_runs([experiment], condition, max_results=1000, page_token=token)
        except MlflowException as reason:
            if reason.error_code != "INVALID_PARAMETER_VALUE":
                raise
            raise ConfigError(
                f"expected filter to be in MLflow's language, got: {line(reason)}"
                "; write it as \"tags.attack = 'patch'\""
            ) from reason
        yield from filter(_is_sweep, page)
        token = page.token or ""


def _is_sweep(run: LoggedRun) -> bool:
    if COMPARISON in run.data.tags:
        return False
    return "strategy" in run.data.tags and run.data.params.get("seed", "").isdecimal()


def _steps(client: MlflowClient, run: LoggedRun) -> pd.DataFrame:
    """From the store rather than performance.csv, which may be on another machine; 1 ms per column on SQLite."""
    import pandas as pd

    amount = run.data.tags.get(AMOUNT, FRACTION_PRUNED)
    columns = {
        plain(name): {point.step: point.value for point in client.get_metric_history(run.info.run_id, name)}
        for name in run.data.metrics
        if _is_of_steps(name, amount)
    }
    return pd.DataFrame(columns).sort_index()


def _is_of_steps(name: str, amount: str) -> bool:
    """Whether a metric is the share pruned, the `amount`, accuracy on clean test images or ASR at each step."""
    rate = Rate.parse(name)
    if rate is None or rate.point or rate.net not in (PRUNED, GOODNET):
        return name in (FRACTION_PRUNED, amount)
    return rate.rate == ASR or (rate.split, rate.rate) == (CLEAN_TEST, ACCURACY)
