"""How the jobs of a grid are run: what `conf/hydra/launcher` chooses, besides `basic`, Hydra's own: one by one."""

from __future__ import annotations

from functools import cache


@cache
def register() -> None:
    """Make them known to Hydra, which takes launchers by names below `hydra_plugins` alone."""
    from hydra.core.plugins import Plugins

    from fineprune.launchers.joblib import Joblib
    from fineprune.launchers.submitit import SubmititLocal

    for launcher in (Joblib, SubmititLocal):
        Plugins.instance().class_name_to_class[f"hydra_plugins.fineprune.{launcher.__name__}"] = launcher
