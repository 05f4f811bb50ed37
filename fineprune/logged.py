"""Finished sweeps, read back from MLflow."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fineprune.errors import ConfigError, FinepruneError, line

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run as LoggedRun

STEP_RATES = re.compile(r"fraction_pruned|clean_test/(pruned|goodnet)_accuracy|(?!at_[^/]+/.+/).+/(pruned|goodnet)_asr")


@dataclass(frozen=True)
class Finished:
    """One finished sweep. `steps` has a row a step: `fraction_pruned`, and accuracy and ASR of B′ and the GoodNet."""

    id: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    steps: pd.DataFrame


def query(grid: str, wanted: str) -> str:
    """The runs of one grid, and of those the ones that `wanted`, a filter in MLflow's language, lets through."""
    if not re.fullmatch(r"[\w.:+-]*", grid):
        raise ConfigError(f"expected grid to be letters, digits and . : + - _, got {grid!r}: take the tag of the runs")
    parts = ["attributes.status = 'FINISHED'", f"tags.grid = '{grid}'" if grid else "", wanted.strip()]
    return " AND ".join(part for part in parts if part)


def finished(uri: str, experiment: str, grid: str, wanted: str) -> list[Finished]:
    """The finished sweeps of an experiment in the store at `uri`, the latest first.

    Of one grid alone, and only those that `wanted`, a filter in MLflow's language, lets through, where they are given.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    sought = query(grid, wanted)
    try:
        client = MlflowClient(uri)
        runs = list(_search(client, _identifier(client, experiment), sought))
        found = [Finished(run.info.run_id, **_known(run), steps=_steps(client, run)) for run in runs]
    except (MlflowException, OSError) as reason:
        why = line(reason)
        raise FinepruneError(f"expected an MLflow store at {uri}, got: {why}; set tracking.uri") from reason
    if not found:
        raise FinepruneError(
            f"expected finished sweeps in the experiment '{experiment}' where {sought}, got none: run runners.sweep "
            "first, or choose another tracking.experiment, grid or filter"
        )
    return found


def _identifier(client: MlflowClient, experiment: str) -> str:
    known = {found.name: found.experiment_id for found in client.search_experiments()}
    if experiment not in known:
        names = ", ".join(sorted(known))
        raise ConfigError(f"expected tracking.experiment to be one of {names}, got '{experiment}': set one of those")
    return str(known[experiment])


def _known(run: LoggedRun) -> dict[str, Any]:
    return {"tags": run.data.tags, "params": run.data.params, "metrics": run.data.metrics}


def _search(client: MlflowClient, experiment: str, sought: str) -> Iterator[LoggedRun]:
    from mlflow.exceptions import MlflowException

    token = None
    while token != "":
        try:
            page = client.search_runs([experiment], sought, max_results=1000, page_token=token)
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
    return "strategy" in run.data.tags and run.data.params.get("seed", "").isdecimal()


def _steps(client: MlflowClient, run: LoggedRun) -> pd.DataFrame:
    """From the store rather than performance.csv: there wherever the run is, and 1 ms a column on SQLite."""
    import pandas as pd

    names: Sequence[str] = [name for name in run.data.metrics if STEP_RATES.fullmatch(name)]
    columns = {
        name: {point.step: point.value for point in client.get_metric_history(run.info.run_id, name)} for name in names
    }
    return pd.DataFrame(columns).sort_index()
