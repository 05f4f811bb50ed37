"""Compare pruning defences against backdoored neural networks."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import pandas as pd
    import tf_keras as keras

    from fineprune.aftermath import Aftermath
    from fineprune.data.split import Split
    from fineprune.report.result import Result
    from fineprune.strategy import Strategy
    from fineprune.training.fine_tuning import FineTuning

    Images: TypeAlias = Split | tuple[Any, Any] | str | Path

__version__ = "0.1.0"

# Here, since TensorFlow and MLflow read most of them once, when they are first imported.
for _name, _value in {
    "TF_USE_LEGACY_KERAS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Of a GPU's memory as much as is needed, so that jobs at a time, and other people, can share it.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # What a server says would reach the terminal as it is, and with an address its password.
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # An absent server costs seconds, not minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}.items():
    os.environ.setdefault(_name, _value)


# In the checkout these packages stand beside this one, for whoever adds to them; a wheel has them in here. They are not
# imported by their short names: a folder of the user's own, called so, may come first where Python looks.
for _name in ("conf", "runners", "strategies"):
    if not Path(__file__).with_name(_name).exists():
        _spec = spec_from_file_location(f"fineprune.{_name}", Path(__file__).parents[1] / _name / "__init__.py")
        if _spec and _spec.loader:
            globals()[_name] = sys.modules[_spec.name] = module_from_spec(_spec)
            _spec.loader.exec_module(globals()[_name])


def compare(
    experiment: str = "fineprune",
    grid: str = "",
    filter: str = "",  # noqa: A002
    uri: str = "",
) -> pd.DataFrame:
    """The finished sweeps of an MLflow experiment as one tidy frame: a row for each method, run, point and trigger.

    Where they are given, of one `grid` alone, and of those that `filter`, in MLflow's language, lets through. `uri` is
    the store; where it is empty, MLFLOW_TRACKING_URI is, or else `mlruns/mlflow.db`. `fineprune.comparison.COLUMNS`
    says what the columns hold; rates are fractions in [0, 1]. Raises FinepruneError where there is no such store or
    run.
    """
    from fineprune.comparison import tidy
    from fineprune.tracking.mlflow import MlflowTracking

    uri = uri or os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlruns/mlflow.db")
    return tidy(MlflowTracking(experiment, uri).finished(grid, filter))


def sweep(
    network: keras.Model | str | Path,
    strategy: Strategy | str,
    *,
    clean_valid: Images,
    clean_test: Images | None = None,
    poisoned: Mapping[str, Images] | None = None,
    budgets: Sequence[float | str] = (0.02, 0.04, 0.10),
    finetune: FineTuning | str | None = None,
    aftermath: Aftermath | str | Sequence[Aftermath | str] = (),
    held_out: float = 0.3,
    seed: int = 0,
    pixel_scale: float | str = "1/255",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Result:
    """Prune `network` step by step, measure every step, choose one for each budget: what `runners.sweep` does.

    `network` is a tf_keras model or the file of one. `strategy` and `finetune` are objects, or names of those in
    `conf/strategy` and `conf/finetune`, with their defaults; so is `aftermath`, or a list of several. Images are a
    Split; a pair of arrays: images (n, height, width, channels), as the network takes them, and labels (n,); or an HDF5
    file in the competition's layout. Pixels of files are multiplied by `pixel_scale`, then `mean` is subtracted and the
    result divided by `std`, numbers for each channel, where these are given; pixels of arrays must have been multiplied
    already, so that white is 255 times `pixel_scale` there. `poisoned` gives images by the trigger's name, labelled
    with the attacker's target. Only `clean_valid` must be there: it ranks, trains and judges. A budget is 0.04 or
    "4 %"; where something trains, budgets are judged on the share `held_out` of `clean_valid`. Prints nothing.

    Returns `.table`, `.chosen` and `.aftermath`, frames of all steps, of the chosen ones and of what became of these,
    `.pruned("4 %")`, `.finetuned("4 %")`, `.goodnet("4 %")` and `.plot()`. Raises FinepruneError, whose message is one
    line, where settings, images or the network cannot be used: NotApplicable, one of its kinds, where the network lacks
    what the strategy needs.
    """
    from fineprune.config.start import load_tensorflow

    load_tensorflow()
    from fineprune.config import arguments

    clean = {"clean_valid": clean_valid, "clean_test": clean_test}
    poisoned = {} if poisoned is None else poisoned
    return arguments.sweep(
        network, strategy, clean, poisoned, budgets, finetune, aftermath, held_out, seed, pixel_scale, mean, std
    )
