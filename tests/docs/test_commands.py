"""Every command that a page shows is one that can be entered: its settings and choices exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override
from settings import compose

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
NOT_SETTINGS = ("-m", "--help", "RUN_FOLDER", "GRID_FOLDER", "hydra")  # what is Hydra's own need not be installed


def commands(start: str) -> Iterator[tuple[str, str]]:
    """Each page with each of its commands that start so, on one line."""
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith(start):
                    yield page.name, line.removeprefix(start)


@pytest.mark.parametrize(("page", "command"), list(commands(".venv/bin/python -m runners.")))
def test_a_command_can_be_entered(page: str, command: str) -> None:
    runner, *arguments = shlex.split(command, comments=True)
    texts = [text for text in arguments if not text.startswith(NOT_SETTINGS)]
    overrides = OverridesParser.create().parse_overrides(texts)
    compose(*(first(override) for override in overrides if not isinstance(override.value(), Glob)), config=runner)


def first(override: Override) -> str:
    """The override, or of one that lists several choices that of the first."""
    value = override.value()
    return f"{override.key_or_group}={value.list[0]}" if isinstance(value, ChoiceSweep) else str(override.input_line)


@pytest.mark.parametrize(("page", "command"), list(commands("make ")))
def test_a_target_of_make_is_there(page: str, command: str) -> None:
    assert f"\n{command.split()[0]}:" in (ROOT / "Makefile").read_text()


def test_there_are_commands_to_test() -> None:
    assert {"README.md", "tutorial.md", "network.md"} <= {page for page, _ in commands(".venv")}
