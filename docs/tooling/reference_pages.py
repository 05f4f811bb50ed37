"""What the reference says of settings, runners and strategies, read from the YAML files of `conf/` and the classes."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Sequence
from inspect import cleandoc
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from fineprune.config.choices import CONF
from fineprune.config.instantiate import instantiate
from fineprune.config.reference import Setting, groups, settings, summary
from fineprune.strategy import Strategy

RUNNERS = CONF.parent / "runners"
STRATEGY_COLUMNS = ("strategy", "what it does, and what that costs", "source", "needs", "trains")


def choices(group: str) -> list[Path]:
    """The files of a group of `conf/`, by name."""
    return sorted((CONF / group).glob("*.yaml"))


def group_section(group: str) -> str:
    """What can be chosen in `group`: for each choice a heading, what it is, and its settings."""
    return "\n\n".join(_choice(group, file) for file in choices(group))


def _choice(group: str, file: Path) -> str:
    pairs = [pair for entry in _defaults(file) for pair in _pairs(entry)]
    chosen = [f"{str(key).removeprefix('override /')}={value}" for key, value in pairs]
    config = f"{group}/{file.stem}"
    parts = [f"### `{group}={file.stem}`", summary(config)]
    parts += [f"Chooses {', '.join(f'`{choice}`' for choice in chosen)}."] if chosen else []
    return "\n\n".join([*parts, *_settings_table(settings(config))])


def _defaults(file: Path) -> list[str | DictConfig]:
    """What a file builds on: names of other files, or choices in groups."""
    loaded = OmegaConf.load(file)
    return list(loaded.get("defaults", [])) if isinstance(loaded, DictConfig) else []


def _pairs(entry: str | DictConfig) -> Iterable[tuple[object, object]]:
    return entry.items() if isinstance(entry, DictConfig) else ()


def runners_section() -> str:
    """For each runner a heading, what it does and costs, its command, and the settings that belong to no group."""
    return "\n\n".join(
        _runner(file.stem) for file in sorted(RUNNERS.glob("*.py")) if (CONF / f"{file.stem}.yaml").exists()
    )


def _runner(name: str) -> str:
    chosen = [group.name for group in groups(name)]
    parts = [f"## {name}", summary(name), f"```sh\n.venv/bin/python -m runners.{name} --help\n```"]
    links = ", ".join(f"[`{group}`](settings.md#{group})" for group in chosen)
    parts += [f"Groups: {links}."] if chosen else []
    return "\n\n".join([*parts, *_settings_table([row for row in settings(name) if row.name not in chosen])])


def _settings_table(rows: Sequence[Setting]) -> list[str]:
    cells = [(f"`{row.name}`", f"`{row.default}`", row.help) for row in rows]
    return [table(("setting", "default", "meaning"), cells)] if cells else []


def tree_section() -> str:
    """The listing of folders that the README ends with."""
    return (CONF.parent / "README.md").read_text("utf-8").partition("## How it is built\n\n")[2].partition("\n\n")[0]


def strategies_section() -> str:
    """A row for each strategy: what it does and costs, whose it is, what it needs, and whether it trains."""
    return table(STRATEGY_COLUMNS, map(_row, choices("strategy")))


def strategies_in_short() -> str:
    """The same without the paper's title, for the README."""
    rows = ((*row[:2], *row[3:]) for row in map(_row, choices("strategy")))
    return table((*STRATEGY_COLUMNS[:2], *STRATEGY_COLUMNS[3:]), rows)


def _row(file: Path) -> tuple[str, ...]:
    root = OmegaConf.create({"seed": 0, "strategy": OmegaConf.load(file)})
    strategy: Strategy = instantiate(root.strategy, Strategy)
    needs = f"{strategy.needs} (an oracle)" if strategy.oracle else strategy.needs
    return (
        f"`{file.stem}`",
        summary(f"strategy/{file.stem}"),
        source(strategy) or ("a control" if strategy.control else "fineprune’s own"),
        needs,
        "yes" if strategy.trains else "no",
    )


def source(strategy: Strategy) -> str:
    """The paper that the docstring of its module names in brackets; empty where it names none."""
    text = cleandoc(importlib.import_module(type(strategy).__module__).__doc__ or "")
    cited = re.search(r"\((.+)\)", " ".join(text.split("\n\n")[0].split()))
    return cited[1] if cited else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
