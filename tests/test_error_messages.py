"""Each error says what was expected, what was received and what to do; docs/errors.md tells of every kind."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fineprune import errors

ROOT = Path(__file__).parent.parent
KINDS = [name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)]
VALUE = "\x00"  # stands for whatever is filled in


def text(node: ast.expr) -> str:
    """A message as it stands in the source, VALUE for each part that is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text, node.values))
    return VALUE


def raised() -> Iterator[tuple[str, str]]:
    """Where an error of ours is raised, and its message."""
    for package in ("fineprune", "strategies", "runners"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                    made = ast.unparse(node.exc.func)
                    if made in (*KINDS, "error") and node.exc.args:
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", text(node.exc.args[0])


RAISED = dict(raised())


@pytest.mark.parametrize("where", RAISED)
def test_a_message_has_its_three_parts(where: str) -> None:
    expected, got, then = r"(expected |\x00 )", r"got ?", r"[:;?] ?.*\w"
    assert re.search(f"^{expected}.*{got}.+{then}", RAISED[where], re.DOTALL), RAISED[where]
    assert "\n" not in RAISED[where]
