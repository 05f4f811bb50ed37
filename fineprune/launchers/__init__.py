"""How the jobs of a grid are run: what `conf/hydra/launcher` chooses, besides `basic`, Hydra's own: one by one."""

from __future__ import annotations

from functools import cache


@cache
def register() -> None:
    """Make them known to Hydra, which takes launchers by names below `hydra_plugins` alone."""
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    from fineprune.launchers.joblib import Joblib
    from fineprune.launchers.submitit import SubmititLocal

    plugins = Plugins.instance()
    # Hydra's own for joblib, where it is installed, has settings that the one here does not know.
    ConfigStore.instance().repo.get("hydra", {}).get("launcher", {}).pop("joblib.yaml", None)
    for launcher in (Joblib, SubmititLocal):
        plugins.class_name_to_class[f"hydra_plugins.fineprune.{launcher.__name__}"] = launcher
