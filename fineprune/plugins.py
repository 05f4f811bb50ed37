"""What installed packages add, by entry points: strategies, attacks and data sets, with YAML files in a folder `conf`.

Who installs a package trusts its code, as Python does. So settings may name what its entry points name, and no more of
it.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import EntryPoint, distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

GROUPS = ("fineprune.strategies", "fineprune.attacks", "fineprune.data")


@cache
def targets() -> dict[str, EntryPoint]:
    """The entry points, by what they name, as `my_defence.strategy.MyDefence`.

    What only says of itself that it is installed, in the folder where the user happens to be, is left out.
    """
    places = [place for place in sys.path if Path(place).resolve() != Path.cwd()]
    entries = [entry for package in distributions(path=places) for entry in package.entry_points]
    return {entry.value.replace(":", "."): entry for entry in entries if entry.group in GROUPS}


def load(target: str) -> Any:
    """What the entry point that names `target` stands for. What importing it raises is for its author to see."""
    return targets()[target].load()


@cache
def folders() -> tuple[Path, ...]:
    """Where their YAML files are: `conf` in each package that has such entry points."""
    specs = [find_spec(name) for name in sorted({entry.module.split(".")[0] for entry in targets().values()})]
    places = [Path(place) / "conf" for spec in specs if spec for place in spec.submodule_search_locations or ()]
    return tuple(filter(Path.is_dir, places))


@cache
def register() -> None:
    """Have Hydra look there, too."""
    from hydra.core.config_search_path import ConfigSearchPath
    from hydra.core.plugins import Plugins
    from hydra.plugins.search_path_plugin import SearchPathPlugin

    class Installed(SearchPathPlugin):
        def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
            for folder in folders():
                search_path.append("fineprune", f"file://{folder}")

    Plugins.instance().register(Installed)
