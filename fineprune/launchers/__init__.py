"""How the jobs of a grid are run: what `conf/hydra/launcher` chooses, besides `basic`, Hydra's own: one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fineprune.launchers.job import Need


def register(need: Need | None) -> None:
    """Make them known to Hydra, which takes launchers by names below `hydra_plugins` alone.

    Jobs may have to have `need` first.
    """
    from hydra.core.config_store import ConfigStore
    from hydra.core.plugins import Plugins

    from fineprune.launchers.job import SideBySide
    from fineprune.launchers.joblib import Joblib
    from fineprune.launchers.ray import Ray
    from fineprune.launchers.submitit import SubmititLocal, SubmititSlurm

    SideBySide.need = need
    plugins = Plugins.instance()
    # Hydra's own of these names, where they are installed, have settings that those here do not know.
    for name in ("joblib", "ray", "submitit_local", "submitit_slurm"):
        ConfigStore.instance().repo.get("hydra", {}).get("launcher", {}).pop(f"{name}.yaml", None)
    for launcher in (Joblib, Ray, SubmititLocal, SubmititSlurm):
        plugins.class_name_to_class[f"hydra_plugins.fineprune.{launcher.__name__}"] = launcher
