"""`--help`: what a command does, what can be chosen and set, and what each setting means, in the words of `conf/`."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from fineprune.config.choices import choices
from fineprune.config.reference import Setting, groups, settings, summary

WIDTH, COLUMN = 80, 30
NOTHING = ("none", "null")  # the choices that stand for leaving a group out
FOLLOWS = re.compile(r"\$\{[\w.]+\}")  # a default that is another setting's value
FOOTER = """\
GROUP=NAME --help lists the settings of another choice. Results go to a folder under outputs/; hydra.run.dir=FOLDER \
chooses another. --cfg=job prints the settings of a run, -m runs a grid: KEY=VALUE,VALUE. A value with spaces, commas \
or brackets: KEY="'VALUE'".
"""


def text(config: str, arguments: Sequence[str]) -> str:
    """The help of the command whose settings are `conf/<config>.yaml`, with the settings of what `arguments` choose."""
    choice = chosen(config, arguments)
    own = [setting for setting in settings(config) if setting.name not in choice]
    parts = [
        _wrapped(summary(config)),
        f"usage: fineprune {config.replace('_', '-')} [KEY=VALUE ...]",
        *(["\n".join(["Choices", *(_group(group, choice[group.name]) for group in groups(config))])] if choice else []),
        *(["\n".join(["Settings", *_listed(own)])] if own else []),
        *_of_choices(choice, {setting.name for setting in own}),
        _wrapped(FOOTER),
    ]
    return "\n\n".join(parts) + "\n"


def chosen(config: str, arguments: Sequence[str]) -> dict[str, str]:
    """The choice in each group of `config`."""
    return {group.name: _choice(group, arguments) for group in groups(config)}


def _choice(group: Setting, arguments: Sequence[str]) -> str:
    """What is chosen in `group`: what the last of `arguments` about it says, where there is that choice."""
    values = [argument.partition("=")[2] for argument in arguments if argument.lstrip("+").startswith(f"{group.name}=")]
    return values[-1] if values and values[-1] in choices(group.name) else group.default


def _group(group: Setting, choice: str) -> str:
    names = ", ".join(choices(group.name))
    name = group.name if choice == "null" else f"{group.name}={choice}"
    return _entry(name, f"{group.help}: {names}" if group.help else names)


def _of_choices(choice_of: dict[str, str], shown: set[str]) -> Iterator[str]:
    """A part for each choice that has settings of its own."""
    for group, choice in choice_of.items():
        if choice not in NOTHING:
            rest = [setting for setting in settings(f"{group}/{choice}") if setting.name not in shown]
            yield "\n".join([_wrapped(f"{group}={choice}: {summary(f'{group}/{choice}')}"), *_listed(rest)])


def _listed(all_settings: Sequence[Setting]) -> list[str]:
    """Those that a comment explains, and that do not follow another setting."""
    return [
        _entry(f"{setting.name}={_default(setting)}", setting.help)
        for setting in all_settings
        if setting.help and not FOLLOWS.fullmatch(setting.default)
    ]


def _default(setting: Setting) -> str:
    return setting.name.rpartition(".")[2].upper() if setting.default == "???" else setting.default


def _entry(name: str, meaning: str) -> str:
    """`name`, and beside or below it what it means."""
    lines = textwrap.wrap(meaning, WIDTH - COLUMN)
    if len(name) > COLUMN - 4:
        lines.insert(0, "")
    start = f"  {name}".ljust(COLUMN) + (lines[0] if lines else "")
    return "\n".join([start.rstrip(), *(" " * COLUMN + line for line in lines[1:])])


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False)
