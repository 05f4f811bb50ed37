"""What can be set, in the words of `conf/`: each setting with its default and the comments at its key.

A key without comment is none that a user should set: `--help` leaves it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from fineprune.config.choices import CONF, written

INTERNAL = ("_target_", "defaults", "hydra")


@dataclass(frozen=True)
class Setting:
    """A setting as it is named on the command line, its default as it stands in the YAML, and what it means."""

    name: str
    default: str
    help: str


def summary(config: str) -> str:
    """What `conf/<config>.yaml` is for: the comment that it begins with."""
    lines = written(config).read_text().splitlines()
    start = next((number for number, text in enumerate(lines) if not text.startswith("#")), len(lines))
    return _prose(line for line in lines[:start] if not line.startswith("# @"))


def settings(config: str) -> list[Setting]:
    """What can be set in `conf/<config>.yaml`, in its order: of `sweep` the groups and its own settings.

    Of a choice, as `strategy/anp`, those that it has or takes over from another choice, as `strategy.epsilon`.
    """
    text = written(config).read_text()
    lines, root = text.splitlines(), yaml.compose(text)
    if root is None:
        return []
    prefix = (
        f"{config.rpartition('/')[0].replace('/', '.')}."
        if "/" in config and "# @package _global_" not in lines
        else ""
    )
    by_name: dict[str, Setting] = {}
    for setting in [*_inherited(config, root, lines), *_own(root, lines, prefix)]:
        before = by_name.get(setting.name)
        by_name[setting.name] = replace(setting, help=setting.help or before.help) if before else setting
    return list(by_name.values())


def groups(config: str) -> list[Setting]:
    """Of the settings of `config` those that are a choice of a YAML file: the folders of `conf/`."""
    return [setting for setting in settings(config) if (CONF / setting.name).is_dir()]


def _inherited(config: str, root: yaml.MappingNode, lines: list[str]) -> Iterator[Setting]:
    """What the list `defaults` brings: groups, and the settings of another choice of the same group."""
    folder = Path(config).parent
    for key, value in root.value:
        for entry in value.value if key.value == "defaults" else []:
            if isinstance(entry, yaml.MappingNode):
                ((group, choice),) = entry.value
                if not group.value.startswith("override "):
                    yield Setting(group.value, choice.value, _comment(lines, group, choice))
            elif written(f"{folder}/{entry.value}").exists():
                yield from settings(str(folder / entry.value))


def _own(node: yaml.MappingNode, lines: list[str], prefix: str, inherited: str = "") -> Iterator[Setting]:
    for key, value in node.value:
        if key.value in INTERNAL:
            continue
        comment = _comment(lines, key, value) or inherited
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from _own(value, lines, f"{prefix}{key.value}.", comment)
        else:
            yield Setting(f"{prefix}{key.value}", _written(lines, value), comment)


def _comment(lines: list[str], key: yaml.Node, value: yaml.Node) -> str:
    """The comment above a key and that behind it; what a file begins with is about the whole of it."""
    first = key.start_mark.line
    while first and lines[first - 1].strip().startswith("#"):
        first -= 1
    above = lines[first : key.start_mark.line] if first else []
    end = value.end_mark if value.end_mark.line == key.start_mark.line else key.end_mark
    behind = re.search(r"\s(#.*)", lines[end.line][end.column :])
    return _prose([*above, behind[1] if behind else ""])


def _written(lines: list[str], value: yaml.Node) -> str:
    """A value as it stands in the file, on one line."""
    if isinstance(value, yaml.ScalarNode):
        return str(value.value)
    if value.end_mark.line > value.start_mark.line:
        return f"[{', '.join(repr(item.value) for item in value.value)}]"
    line = lines[value.start_mark.line]
    return str(line[value.start_mark.column : value.end_mark.column])


def _prose(comments: Iterable[str]) -> str:
    return " ".join(comment.strip().lstrip("#").strip() for comment in comments).strip()
